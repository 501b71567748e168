import { setTimeout as sleep } from 'node:timers/promises'
import { membersOf } from '../faults/members.ts'
import type { System } from '../system/system.ts'
import { type Inside, lookInside } from './look-inside.ts'
import type { RunRule } from './run.ts'

/** Something that should not be so when all is over. */
export interface Complaint {
  readonly rule: RunRule
  /** Of the system: `worker-1`, `queue chat`, `outcomes`. */
  readonly about: string
  readonly detail: string
}

const lookEveryMs = 500
const askWithinMs = 5_000

/**
 * Waits until the system stands as if nothing had been: everything up and ready, nothing queued, everything recorded.
 * Gives what is still not so after `withinMs`.
 */
export async function settle(system: System, withinMs: number): Promise<readonly Complaint[]> {
  const deadline = Date.now() + withinMs
  return lookInside(system, async (inside) => {
    for (;;) {
      const complaints = await complain(system, inside)
      if (complaints.length === 0 || Date.now() > deadline) return complaints
      await sleep(lookEveryMs)
    }
  })
}

async function complain(system: System, inside: Inside): Promise<readonly Complaint[]> {
  const down = membersOf(system).filter(({ isUp }) => !isUp)
  const complaints = await Promise.all([
    ...system.ingresses.map(({ name, url }) => notReady(name, url)),
    missingWorkers(system),
    leftInQueues(inside),
    notRecorded(inside),
    atTheUpstream(system),
  ])
  return [
    ...down.map(({ name }): Complaint => ({ rule: 'comes-back', about: name, detail: 'it is not up' })),
    ...complaints.flat(),
  ]
}

async function notReady(name: string, url: string): Promise<Complaint[]> {
  const answer = await ask(`${url}/health/readiness`)
  if (answer.status === 200) return []
  return [{ rule: 'comes-back', about: name, detail: `it is not ready: ${answer.text}` }]
}

/** Each process of a worker says so in Redis. */
async function missingWorkers({ ingresses, workers, masterKey }: System): Promise<Complaint[]> {
  const [ingress] = ingresses
  if (ingress === undefined) return []
  const answer = await ask(`${ingress.url}/v1/workers`, masterKey)
  const pids =
    answer.status === 200 ? (JSON.parse(answer.text) as { data: { pid: number }[] }).data.map(({ pid }) => pid) : []
  return workers
    .filter(({ pid }) => !pids.includes(pid))
    .map(({ name }) => ({ rule: 'comes-back', about: name, detail: 'it is not on the list of workers' }))
}

async function leftInQueues(inside: Inside): Promise<Complaint[]> {
  const left = [...(await inside.queued())].filter(([, jobIds]) => jobIds.length > 0)
  return left.map(([name, jobIds]) => ({
    rule: 'nothing-is-left',
    about: `queue ${name}`,
    detail: `${jobIds.length} jobs are left in it: ${jobIds.slice(0, 10).join(', ')}`,
  }))
}

async function notRecorded(inside: Inside): Promise<Complaint[]> {
  const backlog = await inside.outcomeBacklog()
  if (backlog === 0) return []
  return [{ rule: 'nothing-is-left', about: 'outcomes', detail: `${backlog} reports are not recorded` }]
}

async function atTheUpstream({ upstream }: System): Promise<Complaint[]> {
  const calls = await upstream.inFlight()
  return calls === 0
    ? []
    : [{ rule: 'nothing-is-left', about: 'upstream', detail: `${calls} calls are still under way` }]
}

async function ask(url: string, key?: string): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(askWithinMs) })
    return { status: response.status, text: await response.text() }
  } catch (error) {
    return { status: 0, text: String(error) }
  }
}
