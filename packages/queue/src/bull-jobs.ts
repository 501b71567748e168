import type { JobShare, JobType, Tier } from '@inferq/contracts'
import type { JobsOptions } from 'bullmq'
import type { Delivery, JobReference } from './job-queue.ts'

/** What BullMQ stores as a job's data. The job itself lies in its record. */
export interface BullData extends JobShare {
  readonly tier: Tier
  /** Where it stands in the class's virtual time. Its place, which is BullMQ's priority, follows from it. */
  readonly at: number
  readonly prefix?: string
}

/** Of a job that was put there before jobs had places: it goes first, and nobody is charged for it. */
const unplaced = { tenant: '', weight: 1, tokens: 0, at: 0 }

/** What BullMQ holds, as text or read already. */
export function readData(data: string | BullData): BullData {
  return { ...unplaced, ...(typeof data === 'string' ? (JSON.parse(data) as BullData) : data) }
}

/** Redeliveries after a processor that threw. Far above the bound of tries, which ends a job with an outcome first. */
const redeliveries = 1_000
const redeliveryDelayMs = 1_000

/** Deterministic, so that adding a job twice adds it once. */
export function bullId(reference: Pick<JobReference, 'jobId' | 'hop'>): string {
  return `${reference.jobId}-${reference.hop}`
}

/** Of what bullId made. */
export function jobIdOf(id: string): string {
  return id.slice(0, id.lastIndexOf('-'))
}

export function bullOptions(reference: JobReference, place: number, delayMs: number): JobsOptions {
  return {
    jobId: bullId(reference),
    // From 1 (first) to 2,097,151; 0 would overtake all. Of the same, the first to come goes first.
    priority: place,
    attempts: redeliveries,
    backoff: { type: 'fixed', delay: redeliveryDelayMs },
    ...(delayMs > 0 ? { delay: delayMs } : {}),
  }
}

export function deliveryOf(id: string, name: string, data: BullData, modelClass: string): Delivery {
  const { tier, at, tenant, weight, tokens, prefix } = readData(data)
  const dash = id.lastIndexOf('-')
  return {
    jobId: id.slice(0, dash),
    hop: Number(id.slice(dash + 1)),
    type: name as JobType,
    class: modelClass,
    tier,
    share: { tenant, weight, tokens },
    at,
    ...(prefix === undefined ? {} : { prefix }),
  }
}
