import { resolve } from 'node:path'
import { createService, createServiceGroup, createSystemClock, runUntilSignal } from '@inferq/runtime'
import { createLogger } from '@inferq/telemetry'
import packageJson from '../../package.json' with { type: 'json' }
import type { CommandContext } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { toCommandError } from '../failures.ts'
import { formatFirstRun } from '../first-run.ts'
import { loadConfigAtStart } from '../load-config.ts'
import { resolveMasterKey } from '../master-key.ts'
import { checkPort } from '../port.ts'
import { createScreen } from '../screen.ts'
import { readSettings } from '../settings.ts'
import { composeUp } from '../up/compose-up.ts'
import { openLogOutput } from '../up/log-output.ts'

export interface UpOptions {
  readonly port?: number
  readonly host?: string
  readonly config?: string
  readonly workers: number
}

/** For all parts together. */
const stopTimeoutMs = 20_000

/**
 * Everything on this machine, until Ctrl-C: Redis, Postgres and the simulator as children unless there are others to use,
 * ingress and controller in this process, workers as children that are started again when they die. What cannot work is
 * found out first (configuration, key, port), before anything is started. Throws CommandError.
 */
export async function runUp(options: UpOptions, context: CommandContext): Promise<number> {
  const { variables } = context
  const settings = readSettings(variables)
  const host = options.host ?? settings.host
  const port = options.port ?? settings.port
  const dataDir = resolve(settings.dataDir)
  const configFile = options.config ?? settings.configFile
  const loaded = loadConfigAtStart({ file: configFile, variables })
  const masterKey = resolveMasterKey(loaded.config, host, dataDir)
  await checkPort(host, port)

  const clock = createSystemClock()
  const output = openLogOutput(dataDir, context.isTerminal)
  const screen = createScreen({ write: context.out, monotonic: () => performance.now() })
  const { destination } = output
  const { workers } = options
  const { isTerminal } = context
  const log = createLogger({ service: 'up', level: settings.logLevel, destination })
  const place = { host, port, dataDir, configFile }
  const up = composeUp({
    settings,
    variables,
    ...place,
    loaded,
    masterKey,
    workers,
    isTerminal,
    clock,
    destination,
    screen,
  })

  let failure: unknown
  const watched = createService({
    name: up.service.name,
    async start() {
      try {
        await up.service.start()
      } catch (thrown) {
        failure = thrown
        throw thrown
      }
    },
    quiet() {
      screen.line('\nstopping                                        (Ctrl-C again ends at once)')
      return up.service.quiet?.()
    },
    stop: (deadline) => up.service.stop(deadline),
  })
  const onStarted = (): void => {
    const { unused } = up.config()
    if (unused.length > 0) screen.notice('Config', `accepted, not used: ${unused.join(', ')}`)
    const facts = {
      version: packageJson.version,
      // performance.now() counts from the start of this process, its own loading included.
      readyMs: performance.now(),
      baseUrl: up.url(),
      config: up.config(),
      configFile: loaded.config.deployments.length > 0 ? loaded.file : undefined,
      key: masterKey,
      logFile: output.shownPath,
    }
    screen.line(formatFirstRun(facts))
  }
  const group = createServiceGroup({ log, clock, name: 'up', stopTimeoutMs }, [watched])
  const code = await runUntilSignal(group, { log, exit: context.exit, onStarted })
  await output.close()
  if (failure !== undefined) return toCommandError(failure).exitCode
  const where = output.shownPath ?? 'the log on standard error'
  screen.line(code === exitCodes.ok ? 'stopped' : `stopped after an error: see ${where}`)
  return code
}
