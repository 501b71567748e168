import type { DetectedBackend } from '@inferq/config'
import { createService, createServiceGroup, createSystemClock, reportReady, runUntilSignal } from '@inferq/runtime'
import { createSimulator, demoModels } from '@inferq/simulator'
import { type CommandContext, createServiceLogger } from '../context.ts'
import { readSettings } from '../settings.ts'

/** What the parent is told: it need not load a simulator to know what this one serves. */
export interface StartedSimulator {
  readonly url: string
  readonly models: DetectedBackend['models']
}

/** The built-in backend as a process of its own; tells its parent where it listens, and what it serves. */
export async function runSimulator(options: { readonly port: number }, context: CommandContext): Promise<number> {
  const log = createServiceLogger('simulator', readSettings(context.variables))
  const simulator = createSimulator({ models: demoModels, port: options.port })
  const service = createService({
    name: 'simulator',
    start: () => simulator.start(),
    stop: () => simulator.stop(),
  })
  const group = createServiceGroup({ log, clock: createSystemClock(), name: 'simulator', stopTimeoutMs: 2_000 }, [
    service,
  ])
  const onStarted = (): void => {
    const started: StartedSimulator = { url: simulator.url, models }
    reportReady(started)
  }
  return runUntilSignal(group, { log, exit: context.exit, onStarted })
}

const models = Object.entries(demoModels).map(([name, script]) => ({
  name,
  mode: script.embedding === undefined ? ('chat' as const) : ('embedding' as const),
  contextWindow: 8192,
}))
