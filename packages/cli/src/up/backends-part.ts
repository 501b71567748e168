import type { DetectedBackend } from '@inferq/config'
import { type Clock, createService, createSupervisor, type Service, type Supervisor } from '@inferq/runtime'
import type { LogDestination, Logger } from '@inferq/telemetry'
import type { StartedSimulator } from '../commands/simulator.ts'
import { type Detection, detectBackends } from '../detect-backends.ts'
import { describeBackends } from '../first-run.ts'
import { type LoadedConfig, loadConfigAtStart } from '../load-config.ts'
import type { Variables } from '../settings.ts'
import { spawnCommand } from './child.ts'
import { type Returned, reportReturns } from './returns.ts'

export interface BackendsPart {
  readonly service: Service
  /** Once it has started: with models to serve. */
  loaded(): LoadedConfig
  /** What was detected, for the workers to serve the same; undefined: the file says it. */
  detected(): readonly DetectedBackend[] | undefined
  describe(): string
}

export interface BackendsOptions {
  /** As the file says it; without models in it, backends are looked for. */
  readonly loaded: LoadedConfig
  readonly configFile: string | undefined
  readonly variables: Variables
  readonly log: Logger
  readonly clock: Clock
  readonly destination: LogDestination
  readonly onChange: Returned
  readonly warn: (text: string) => void
}

/** What serves the models: those of the file, else every backend found, else the built-in simulator as a child. */
export function createBackendsPart(options: BackendsOptions): BackendsPart {
  const { configFile, variables, warn } = options
  let { loaded } = options
  let detected: readonly DetectedBackend[] | undefined
  let simulator: Supervisor | undefined
  const declared = loaded.config.deployments.length > 0

  const service = createService({
    name: 'backends',
    async start() {
      if (declared) return
      const detection = await detectBackends(variables)
      for (const text of describeMissing(detection)) warn(text)
      detected = detection.found
      if (detected.length === 0) {
        const started = createSimulatorChild(options)
        await started.supervisor.start()
        simulator = started.supervisor
        detected = [started.backend()]
      }
      loaded = loadConfigAtStart({ file: configFile, variables, detected })
    },
    stop: (deadline) => simulator?.stop(deadline),
  })
  return {
    service,
    loaded: () => loaded,
    detected: () => detected,
    describe: () => describeBackends(loaded.config, declared ? loaded.file : undefined),
  }
}

function describeMissing({ missing }: Detection): string[] {
  return missing.map(({ variable, baseUrl, reason }) => `${variable} is set, but ${baseUrl} is not used: ${reason}`)
}

/** After a restart it listens where it did before, since every worker knows that address. */
function createSimulatorChild(options: BackendsOptions): { supervisor: Supervisor; backend(): DetectedBackend } {
  const { variables, log, clock, destination, onChange } = options
  let first: StartedSimulator | undefined
  const supervisor = createSupervisor({
    name: 'simulator',
    log,
    clock,
    killAfterMs: 2_000,
    onState: reportReturns('Simulator', onChange),
    async spawn(signal) {
      const port = first === undefined ? '0' : new URL(first.url).port
      const args = ['simulator', '--port', port]
      const child = await spawnCommand({ name: 'simulator', args, variables, log, clock, destination, signal })
      first ??= startedOf(child.detail)
      return child
    },
  })
  return {
    supervisor,
    backend() {
      if (first === undefined) throw new Error('asked before it has started')
      return { provider: 'openai', baseUrl: `${first.url}/v1`, simulated: true, models: first.models }
    },
  }
}

function startedOf(detail: unknown): StartedSimulator {
  const { url, models } = Object(detail) as Partial<StartedSimulator>
  if (typeof url === 'string' && Array.isArray(models)) return { url, models }
  throw new Error('the simulator did not say where it listens')
}
