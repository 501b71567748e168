import { type ConfigResult, parseConfig } from '@inferq/config'
import { createDeadline, createSystemClock, type Log } from '@inferq/runtime'
import { createConfigMetrics, createLogger, createMetrics, type Metrics } from '@inferq/telemetry'
import type { TestRedis } from '@inferq/testkit'
import { onTestFinished } from 'vitest'
import {
  createLiveConfig,
  createModelOverlay,
  createSealer,
  type LiveConfig,
  type LiveConfigOptions,
  type ModelOverlay,
  type OverlayModel,
} from '../src/index.ts'

const clock = createSystemClock()
const sealer = createSealer('test')

/** A file that a test may change; every process of the test reads it. */
export interface TestFile {
  text: string
}

export function yamlOf(...models: readonly string[]): string {
  const entries = models.map(
    (name) =>
      `  - {model_name: ${name}, litellm_params: {model: openai/${name}, api_base: "http://127.0.0.1:9/v1", api_key: sk-file}}\n`,
  )
  return `model_list:\n${entries.join('')}`
}

export function overlayModel(id: string, overrides: Partial<OverlayModel> = {}): OverlayModel {
  const litellmParams = { model: `openai/${id}`, api_base: 'http://127.0.0.1:9/v1', api_key: 'sk-planted' }
  return { id, modelName: id, litellmParams, modelInfo: {}, ...overrides }
}

export interface Process {
  readonly live: LiveConfig
  readonly overlay: ModelOverlay
  readonly metrics: Metrics
  readonly lines: string[]
  models(): string[]
  stop(): Promise<void>
}

/** One process's part; it does not look at the overlay's version by itself unless `checkEveryMs` says so. */
export async function startProcess(
  server: TestRedis,
  file: TestFile,
  options: Partial<LiveConfigOptions> = {},
): Promise<Process> {
  const load = (overlay: readonly OverlayModel[]): ConfigResult =>
    parseConfig({ source: { file: 'test.yaml', text: file.text }, env: {}, overlay })
  const initial = parseConfig({ source: { file: 'test.yaml', text: file.text }, env: {} })
  if (initial.kind !== 'config') throw new Error(JSON.stringify(initial.faults))
  const lines: string[] = []
  const log: Log = createLogger({ service: 'test', level: 'debug', destination: { write: (line) => lines.push(line) } })
  const redis = await server.connect()
  const subscriber = await server.connect('subscriber')
  const registry = createMetrics({ nodeMetrics: false })
  const live = createLiveConfig({
    ...{ initial: initial.config, load, redis, subscriber, keys: server.keys, sealer, clock, log },
    metrics: createConfigMetrics(registry),
    checkEveryMs: 3_600_000,
    ...options,
  })
  const stop = async (): Promise<void> => {
    const deadline = createDeadline(clock, { timeoutMs: 2_000, what: 'stopping' })
    await live.stop(deadline)
    deadline.release()
  }
  onTestFinished(stop)
  await live.start()
  return {
    live,
    overlay: createModelOverlay({ redis: await server.connect(), keys: server.keys }),
    metrics: registry,
    lines,
    models: () => live.current().models.map(({ name }) => name),
    stop,
  }
}

/** As an ingress publishes it. */
export async function publish(
  overlay: ModelOverlay,
  version: number,
  models: readonly OverlayModel[],
  sealedBy = sealer,
): Promise<void> {
  const sealed = models.map(({ litellmParams, ...rest }) => ({
    ...rest,
    sealedParams: sealedBy.seal(rest.id, litellmParams),
  }))
  if (!(await overlay.replace(await overlay.version(), { version, models: sealed }))) throw new Error('not published')
}
