import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../faults/fault.ts'
import { faults, faultsNamed } from '../faults/index.ts'
import { createLoad } from '../load/create-load.ts'
import type { KnownFaults, Load, LoadOptions } from '../load/load.ts'
import { startSystem } from '../system/start-system.ts'
import type { System } from '../system/system.ts'
import { livesOf } from './attribute.ts'
import { injectAll, type Struck } from './inject.ts'
import { judge, toRecovery, withCount } from './judge.ts'
import { keepLogs, tellStory } from './keep-logs.ts'
import { createRecoveries, type MeasuredRecovery } from './recoveries.ts'
import type { RunOptions, RunPatience, RunResult } from './run.ts'
import { drawSchedule, quietEndMs } from './schedule.ts'
import { settle } from './settle.ts'
import { type WatchedSystem, watchMembers } from './watch-members.ts'

const usualPatience: RunPatience = {
  quietEndMs,
  // Every try of every candidate of a job may run into a timeout.
  clientsMs: 180_000,
  settleMs: 90_000,
}
/** For `atLeast`; what hangs is found by the rules then. */
const loadWithinMs = 120_000
const lookEveryMs = 50

const usualLoad: Omit<LoadOptions, 'system' | 'seed'> = {
  clients: { async: 10, streaming: 6, whole: 4, embedding: 2, leaving: 2 },
  tokens: [5, 60],
  interTokenMs: [2, 30],
}

type Running = RunOptions & { readonly signal: AbortSignal }

/**
 * Starts a system and its clients, lets faults happen and puts them right, and judges what was seen. Everything it started
 * is ended, whatever happens. Rejects when a fault cannot be put right, and with its reason when `signal` aborts.
 */
export async function runChaos(options: RunOptions): Promise<RunResult> {
  const { signal = new AbortController().signal, logFolder } = options
  const real = await startSystem(options.system)
  const watch = watchMembers(real)
  try {
    return await runOn(watch, { ...options, signal })
  } catch (error) {
    if (logFolder !== undefined && !signal.aborted) await keepLogs(logFolder, real, String(error))
    throw error
  } finally {
    await watch.stop()
    await real.stop()
  }
}

async function runOn(watch: WatchedSystem, options: Running): Promise<RunResult> {
  const { seed, logFolder, onLine = () => {} } = options
  const { system } = watch
  const load = createLoad({ ...usualLoad, ...options.load, system, seed })
  const tell = createTeller(onLine, load)
  const { struck, recoveries } = await underLoad(system, load, options, tell)
  const complaints = await settle(system, options.patience?.settleMs ?? usualPatience.settleMs)
  await watch.stop()
  tell('what was seen is judged')
  const history = await load.history(knownFaults(struck))
  const violations = judge({ history, struck, complaints, deaths: watch.deaths })
  if (violations.length > 0 && logFolder !== undefined) {
    await keepLogs(logFolder, system, tellStory(history, violations, struck))
  }
  const lives = livesOf(history)
  return {
    seed,
    ...load.counts,
    violations,
    injected: struck.map((fault) => withCount(fault, lives.values())),
    recoveries: recoveries.map((recovery) => toRecovery(recovery, struck)),
  }
}

/** The load from its start to its end, with the faults in it. */
async function underLoad(
  system: System,
  load: Load,
  options: Running,
  tell: (line: string) => void,
): Promise<{ readonly struck: readonly Struck[]; readonly recoveries: readonly MeasuredRecovery[] }> {
  const { seed, durationMs, signal, atLeast = { accepted: 0, answered: 0 } } = options
  const patience = { ...usualPatience, ...options.patience }
  const possible = possibleFaults(system, options.faults)
  const schedule = options.schedule ?? drawSchedule({ faults: possible, seed, durationMs })
  const recoveries = createRecoveries(system)
  const startedAt = Date.now()
  load.start()
  try {
    const struck = await injectAll({
      ...{ system, schedule, seed, startedAt, signal },
      onLine: tell,
      onInjected(_fault, injected, struckAt) {
        if (injected.measures === 'worker-killed') recoveries.workerKilled(injected, struckAt)
      },
      onHealed(_fault, injected, healedAt) {
        if (injected.measures === 'redis-restarted') recoveries.redisRestarted(healedAt)
      },
    })
    const lastHealedAt = Math.max(startedAt, ...struck.map(({ healedAt }) => healedAt))
    const endAt = Math.max(startedAt + durationMs, lastHealedAt + patience.quietEndMs)
    await sleep(Math.max(0, endAt - Date.now()), undefined, { signal })
    const isEnough = (): boolean => load.counts.accepted >= atLeast.accepted && load.counts.answered >= atLeast.answered
    while (!isEnough() && Date.now() < endAt + loadWithinMs) await sleep(lookEveryMs, undefined, { signal })
    tell('the load ends')
    return { struck, recoveries: await recoveries.done() }
  } finally {
    await load.stop(signal.aborted ? 0 : patience.clientsMs)
  }
}

/** Throws when a name is none of a fault. */
function possibleFaults(system: System, names: readonly string[] | undefined): readonly Fault[] {
  return (names === undefined ? faults : faultsNamed(names)).filter(({ isPossible }) => isPossible?.(system) ?? true)
}

function knownFaults(struck: readonly Struck[]): KnownFaults {
  const spans = struck.map(({ startedAt, healedAt, mayLose }) => ({ from: startedAt, to: healedAt, mayLose }))
  return { disturbances: spans, redisLosses: spans.filter(({ mayLose }) => mayLose === 'interactive') }
}

/** Lines with the time since now, and how far the load has come. */
function createTeller(onLine: (line: string) => void, load: Load): (line: string) => void {
  const startedAt = performance.now()
  return (line) => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1).padStart(7)
    const { accepted, answered, refused } = load.counts
    onLine(`${seconds} s  ${line}  (accepted ${accepted}, answered ${answered}, refused ${refused})`)
  }
}
