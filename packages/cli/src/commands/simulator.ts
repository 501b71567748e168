import { createService, createServiceGroup, createSystemClock, reportReady, runUntilSignal } from '@inferq/runtime'
import { createSimulator, demoModels } from '@inferq/simulator'
import { type CommandContext, createServiceLogger } from '../context.ts'
import { readSettings } from '../settings.ts'

/** The built-in backend as a process of its own; tells its parent where it listens. */
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
  return runUntilSignal(group, { log, exit: context.exit, onStarted: () => reportReady({ url: simulator.url }) })
}
