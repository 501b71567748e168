import type { JobType, Tier } from '@inferq/contracts'
import type { JobsOptions } from 'bullmq'
import type { JobReference } from './job-queue.ts'

/** What BullMQ stores as a job's data. The job itself lies in its record. */
export interface BullData {
  readonly tier: Tier
}

/**
 * Priorities of BullMQ go from 1 (first) to 2,097,151; 0 would overtake all. Each tier has a band of its own, and within
 * a band the order of arrival decides.
 */
const priorityOfTier: Readonly<Record<Tier, number>> = { priority: 1, default: 700_000, flex: 1_400_000 }

/** BullMQ's score of a waiting job: its priority, then the order of arrival in the lower 32 bits. */
const scoresOfPriority = 2 ** 32

/** The scores (from, and below) of those who wait in each tier's band. */
export const bandScores: readonly (readonly [from: number, below: number])[] = Object.values(priorityOfTier).map(
  (priority) => [priority * scoresOfPriority, (priority + 1) * scoresOfPriority],
)

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

export function bullOptions(reference: JobReference, delayMs: number): JobsOptions {
  return {
    jobId: bullId(reference),
    priority: priorityOfTier[reference.tier],
    attempts: redeliveries,
    backoff: { type: 'fixed', delay: redeliveryDelayMs },
    ...(delayMs > 0 ? { delay: delayMs } : {}),
  }
}

export function referenceOf(id: string, name: string, data: BullData, modelClass: string): JobReference {
  const dash = id.lastIndexOf('-')
  return {
    jobId: id.slice(0, dash),
    hop: Number(id.slice(dash + 1)),
    type: name as JobType,
    class: modelClass,
    tier: data.tier,
  }
}
