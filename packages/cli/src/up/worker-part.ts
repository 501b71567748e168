import type { DetectedBackend } from '@inferq/config'
import { type Clock, createSupervisor, type Supervisor } from '@inferq/runtime'
import type { LogDestination, Logger } from '@inferq/telemetry'
import { detectedVariable } from '../models.ts'
import type { Variables } from '../settings.ts'
import { spawnCommand } from './child.ts'
import { type Returned, reportReturns } from './returns.ts'

export interface WorkerPartOptions {
  /** From 1. */
  readonly number: number
  readonly configFile: string | undefined
  readonly variables: Variables
  /** A secret: opens the models added at run time, as the ingress seals them. */
  readonly saltKey: string
  /** Awaited before each start: Redis and the models have to be there. */
  readonly needs: () => Promise<WorkerNeeds>
  readonly log: Logger
  readonly clock: Clock
  readonly destination: LogDestination
  readonly onChange: Returned
}

export interface WorkerNeeds {
  readonly redisUrl: string
  readonly detected: readonly DetectedBackend[] | undefined
}

/** What a stopping worker gives its running jobs before it puts them back; it has a little more to do after that. */
const drainSeconds = 2
const killAfterMs = 9_000

/** A worker process, started again whenever it dies. */
export function createWorkerPart(options: WorkerPartOptions): Supervisor {
  const { number, configFile, variables, saltKey, needs, log, clock, destination, onChange } = options
  const name = `worker-${number}`
  return createSupervisor({
    name,
    log,
    clock,
    killAfterMs,
    onState: reportReturns(`Worker ${number}`, onChange),
    async spawn(signal) {
      const { redisUrl, detected } = await needs()
      const config = configFile === undefined ? [] : ['--config', configFile]
      return spawnCommand({
        name,
        args: ['worker', '--drain', String(drainSeconds), ...config],
        variables: workerVariables(variables, { redisUrl, detected, saltKey }),
        log,
        clock,
        destination,
        signal,
      })
    },
  })
}

/** A worker needs no database, and gets no way to it. */
function workerVariables(
  variables: Variables,
  { redisUrl, detected, saltKey }: WorkerNeeds & { readonly saltKey: string },
): Variables {
  const others = Object.entries(variables).filter(([name]) => !replacedVariables.has(name))
  return {
    ...Object.fromEntries(others),
    REDIS_URL: redisUrl,
    INFERQ_SALT_KEY: saltKey,
    ...(detected === undefined ? {} : { [detectedVariable]: JSON.stringify(detected) }),
  }
}

const replacedVariables = new Set([
  'DATABASE_URL',
  'DATABASE_URL_FILE',
  'REDIS_URL_FILE',
  'INFERQ_SALT_KEY_FILE',
  detectedVariable,
])
