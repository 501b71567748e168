import { createServer } from 'node:net'
import type { ErrorDetail } from '@inferq/contracts'
import type { LiveConfig } from '@inferq/liveconfig'
import type { Clock, Service, ServiceGroup } from '@inferq/runtime'
import type { Logger } from '@inferq/telemetry'
import { CommandError, exitCodes } from '../exit-codes.ts'
import type { Variables } from '../settings.ts'
import { createBackend } from './backend.ts'
import { createBoundWorker } from './bound-worker.ts'
import { type CommandLine, fillPlaces, parseCommandLine } from './command-line.ts'
import type { PinnedGpu } from './gpus.ts'
import { targetsOf } from './pin-config.ts'

/** The backend of a worker: where it is, and how it is started, unless somebody else does that. */
export interface BackendPlan {
  readonly url: string
  readonly command: CommandLine | undefined
}

export interface BackendWishes {
  readonly backend?: string
  readonly backendCommand?: string
  readonly backendPort?: number
  readonly gpu?: string
}

/** Undefined: the worker calls each deployment where the configuration has it. Throws CommandError 64. */
export async function planBackend(
  { backend, backendCommand, backendPort, gpu: asked }: BackendWishes,
  gpu: PinnedGpu | undefined,
): Promise<BackendPlan | undefined> {
  if (backendCommand === undefined)
    return backend === undefined ? undefined : { url: httpUrl(backend), command: undefined }
  const port = String(backendPort ?? portOf(backend) ?? (await freePort()))
  const places = { port, gpu: gpu?.variables['CUDA_VISIBLE_DEVICES'] ?? asked ?? 'cpu' }
  if (backend === undefined && backendPort === undefined && !backendCommand.includes('{port}')) {
    const message = 'where the started backend listens is not known'
    throw new CommandError(exitCodes.usage, message, 'put {port} into --backend-command, or say it with --backend URL')
  }
  const url = backend === undefined ? `http://127.0.0.1:${port}` : fillPlaces(backend, places)
  return { url: httpUrl(url), command: parseCommandLine(fillPlaces(backendCommand, places)) }
}

export interface ComposeBoundWorkerOptions {
  readonly plan: BackendPlan
  readonly live: LiveConfig
  readonly asked: readonly string[] | undefined
  readonly variables: Variables
  /** What pins the backend to its GPU. */
  readonly pin: Readonly<Record<string, string>>
  readonly patienceMs: number
  readonly make: (
    classes: readonly string[],
    onCallFailed: (deployment: string, error: ErrorDetail) => void,
  ) => ServiceGroup
  readonly onReady: () => void
  readonly giveUp: (error: CommandError) => void
  readonly log: Logger
  readonly clock: Clock
}

/** A worker and its backend. */
export function composeBoundWorker(options: ComposeBoundWorkerOptions): Service {
  const { plan, live, asked, variables, pin, patienceMs, make, onReady, giveUp, log, clock } = options
  const backend = createBackend({
    url: plan.url,
    targets: () => targetsOf(live.current(), asked),
    process: plan.command === undefined ? undefined : { command: plan.command, variables, pin },
    log,
    clock,
  })
  const onCallFailed = (_deployment: string, { code }: ErrorDetail): void => {
    if (code === 'upstream_unreachable' || code === 'upstream_interrupted') backend.suspect()
  }
  return createBoundWorker({
    ...{ url: plan.url, backend, live, asked, patienceMs, onReady, giveUp, log, clock },
    make: (classes) => make(classes, onCallFailed),
  })
}

function httpUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text
  throw new CommandError(exitCodes.usage, `--backend: "${text}" is no http:// or https:// URL`)
}

function portOf(url: string | undefined): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined
  return new URL(url).port || undefined
}

/** One that is free at this moment. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
