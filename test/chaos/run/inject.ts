import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault, Injected } from '../faults/fault.ts'
import { faultsNamed } from '../faults/index.ts'
import type { System } from '../system/system.ts'
import { createRandom } from './random.ts'
import type { InjectedFault, Scheduled } from './run.ts'

export interface InjectOptions {
  readonly system: System
  readonly schedule: readonly Scheduled[]
  readonly seed: number
  /** What the schedule's times count from, ms since the epoch. */
  readonly startedAt: number
  /** Ends it early: what is broken is healed, nothing more is broken. */
  readonly signal: AbortSignal
  readonly onLine: (line: string) => void
  /** Called as soon as it has struck. Never throws. */
  readonly onInjected: (fault: Fault, injected: Injected, struckAt: number) => void
  /** Called as soon as it is put right. Never throws. */
  readonly onHealed: (fault: Fault, injected: Injected, healedAt: number) => void
}

export type Struck = Omit<InjectedFault, 'struck'> & Pick<Injected, 'mayLose'>

/** More than any fault needs that can be put right at all: starting everything again takes up to two minutes. */
const healWithinMs = 300_000

/**
 * Lets each fault happen at its time and puts it right at its time; within a room one after the other, so one that takes
 * longer to heal delays the next. Resolves when everything is healed. Rejects, when all that can be healed is, with what
 * could not be.
 */
export async function injectAll(options: InjectOptions): Promise<readonly Struck[]> {
  const { schedule, seed, signal } = options
  const struck: Struck[] = []
  const broken = new AbortController()
  const ending = AbortSignal.any([signal, broken.signal])
  const byRoom = new Map<string, Promise<void>>()
  const all = schedule.map((scheduled, place) => {
    const [fault] = faultsNamed([scheduled.fault]) as [Fault]
    const before = byRoom.get(fault.room) ?? Promise.resolve()
    const one = before.then(async () => {
      const done = await injectOne(options, fault, scheduled, createRandom(seed + place), ending)
      if (done !== null) struck.push(done)
    })
    // The next of the room comes all the same, and finds that the run is ending.
    byRoom.set(
      fault.room,
      one.catch(() => broken.abort()),
    )
    return one
  })
  const outcomes = await Promise.allSettled(all)
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
  if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('; '))
  return struck
}

async function injectOne(
  { system, startedAt, onLine, onInjected, onHealed }: InjectOptions,
  fault: Fault,
  { atMs, lastsMs }: Scheduled,
  random: () => number,
  signal: AbortSignal,
): Promise<Struck | null> {
  await wait(startedAt + atMs - Date.now(), signal)
  if (signal.aborted) return null
  const struckAt = Date.now()
  const injected = await inTime(fault.inject(system, random), `${fault.name} cannot be let happen`)
  onLine(`${fault.name}: ${injected.target}`)
  onInjected(fault, injected, struckAt)
  await wait(struckAt + lastsMs - Date.now(), signal)
  await inTime(injected.heal(), `${fault.name} of ${injected.target} cannot be put right`)
  const healedAt = Date.now()
  onLine(`${fault.name}: over after ${((healedAt - struckAt) / 1000).toFixed(1)} s`)
  onHealed(fault, injected, healedAt)
  const mayLose = injected.mayLose === undefined ? {} : { mayLose: injected.mayLose }
  return { fault: fault.name, target: injected.target, startedAt: struckAt, healedAt, ...mayLose }
}

/** Resolves early when `signal` aborts. */
async function wait(durationMs: number, signal: AbortSignal): Promise<void> {
  if (durationMs > 0) await sleep(durationMs, undefined, { signal }).catch(() => {})
}

async function inTime<T>(work: Promise<T>, complaint: string): Promise<T> {
  const cut = new AbortController()
  const late = sleep(healWithinMs, undefined, { signal: cut.signal }).then(() => {
    throw new Error(`not within ${healWithinMs / 1000} s`)
  })
  try {
    return await Promise.race([work, late])
  } catch (error) {
    throw new Error(`${complaint}: ${error instanceof Error ? error.message : error}`, { cause: error })
  } finally {
    cut.abort()
    late.catch(() => {})
  }
}
