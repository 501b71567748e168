import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { createService, createServiceGroup, createSystemClock, type Service } from '@inferq/runtime'
import { createLogger, type LogDestination } from '@inferq/telemetry'
import type { CommandContext } from '../context.ts'
import { type CommandError, exitCodes } from '../exit-codes.ts'
import { loadConfigAtStart } from '../load-config.ts'
import { describeGpu, findGpus } from '../node/gpus.ts'
import { createLane, type LaneEvent, type LaneOptions } from '../node/lane.ts'
import { type LanePlan, type NodeWishes, planLanes } from '../node/plan-lanes.ts'
import { runServices } from '../run-services.ts'
import { createScreen, type Screen, seconds } from '../screen.ts'
import { readSettings, requireRedisUrl, type Variables } from '../settings.ts'
import { openLogOutput } from '../up/log-output.ts'

/** On top of the drain time: a worker closes its connections, then ends its backend. */
const laneStopSeconds = 35
const closeMs = 5_000

/** Prints the GPUs that `node up` would use. */
export async function listGpus(context: CommandContext): Promise<number> {
  const search = await findGpus(context.variables)
  if (search.kind === 'found') {
    for (const gpu of search.gpus) context.out(`${describeGpu(gpu)}  ${gpu.uuid}\n`)
    return exitCodes.ok
  }
  context.err(`no GPU: ${search.reason}\n`)
  return search.kind === 'none' ? exitCodes.ok : exitCodes.failed
}

/**
 * One worker process for each GPU of this machine, until it is told to stop: then all drain at once. A worker that ends is
 * started again; one that refuses what it was asked for ends the command. Throws CommandError.
 */
export async function runNodeUp(options: NodeWishes, context: CommandContext): Promise<number> {
  const { variables } = context
  const settings = readSettings(variables)
  requireRedisUrl(settings)
  const config = options.config ?? settings.configFile
  const { workers } = loadConfigAtStart({ file: config, variables }).config
  const lanes = planLanes(
    { ...options, ...(config === undefined ? {} : { config }) },
    {
      hostname: hostname(),
      search: await findGpus(variables),
      visibleDevices: variables['CUDA_VISIBLE_DEVICES'],
      metricsPort: settings.metricsPort,
    },
  )
  const clock = createSystemClock()
  const output = openLogOutput(resolve(settings.dataDir), context.isTerminal)
  const { destination } = output
  const log = createLogger({ service: 'node', level: settings.logLevel, destination })
  const screen = createScreen({ write: context.out, monotonic: () => performance.now() })
  const stopping = new AbortController()
  const stopSeconds = (options.drain ?? workers.drainSeconds) + laneStopSeconds
  const service = createLanes(lanes, {
    ...{ variables, stopSeconds, log, clock, destination, screen },
    giveUp: (error) => stopping.abort(error),
  })
  const stopTimeoutMs = stopSeconds * 1000 + closeMs
  const group = createServiceGroup({ log, clock, name: 'node', stopTimeoutMs }, [service])
  const onStarted = (): void => {
    const where = output.shownPath
    if (where !== undefined) screen.notice('Log', where)
  }
  const code = await runServices(group, { log, context, onStarted, stopOn: stopping.signal })
  await output.close()
  screen.line('stopped')
  return code
}

interface LanesOptions extends Omit<LaneOptions, 'label' | 'args' | 'variables' | 'onEvent'> {
  readonly variables: Variables
  readonly destination: LogDestination
  readonly screen: Screen
  readonly giveUp: (error: CommandError) => void
}

function createLanes(plans: readonly LanePlan[], { screen, variables, ...options }: LanesOptions): Service {
  const onEvent = (label: string, event: LaneEvent): void => screen.notice(label, describe(event))
  const lanes = plans.map((plan) =>
    createLane({
      ...{ ...options, onEvent, label: plan.label, args: plan.args },
      variables: { ...workerVariables(variables), ...plan.variables },
    }),
  )
  return createService({
    name: 'lanes',
    async start() {
      for (const { label, description } of plans) screen.notice(label, description)
      await Promise.all(lanes.map((lane) => lane.start()))
    },
    quiet: () => screen.line('\nstopping: running jobs end, then the backends      (a second signal ends at once)'),
    async stop(deadline) {
      await Promise.all(lanes.map((lane) => lane.stop(deadline)))
    },
  })
}

function describe(event: LaneEvent): string {
  if (event.kind === 'serving') return `serving  (${seconds(performance.now())})`
  const why = event.why === undefined ? '' : `: ${event.why}`
  return `its worker ended with ${event.how} and is started again${why}`
}

/** Each worker is told its own GPU, and needs no database. */
function workerVariables(variables: Variables): Variables {
  const left = new Set(['DATABASE_URL', 'DATABASE_URL_FILE', 'CUDA_VISIBLE_DEVICES', 'INFERQ_METRICS_PORT'])
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !left.has(name)))
}
