import type { InferqConfig } from '@inferq/config'
import { createLoadedModelsReader } from '@inferq/providers'
import type { JobQueue } from '@inferq/queue'
import { type Clock, errorMessage, type Log, orAborted } from '@inferq/runtime'
import type { Shares } from '@inferq/shares'
import type { InferqMetrics } from '@inferq/telemetry'
import { createBackendMemory } from './backend-memory.ts'
import { decideModel, firstTurn, type ModelDecision, type ModelDemand, type Turn } from './decide-model.ts'
import type { ModelClaims } from './model-claims.ts'
import { listedName, type SharedBackend, type SharedModel } from './shared-backends.ts'

export interface ModelTurnsOptions {
  readonly config: () => InferqConfig
  /** Jobs of the class that run here. */
  readonly inFlight: (modelClass: string) => number
  /** Says for every class of the backend whether its jobs may be taken. */
  readonly onDecided: (open: ReadonlySet<string>) => void
  readonly claims: ModelClaims
  readonly queue: Pick<JobQueue, 'depth' | 'oldestAt'>
  readonly shares: Pick<Shares, 'meanSeconds'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<InferqMetrics, 'modelSwaps'>
}

/** The turns of the models of one backend. */
export interface ModelTurns {
  /** Looks at what runs here, at times also at queues and memory, and decides. Without Redis all stays as it is. */
  step(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** Queues and memory are looked at so often; what runs here at every step. */
const lookEveryMs = 1_000
const answerTimeoutMs = 2_000
const defaultSwapCostSeconds = 6
const defaultAgeingSeconds = 60
/** As long as nobody knows how long a job takes. */
const unknownJobSeconds = 1
/** A claim outlives the loading, so that others see what it has brought. */
const claimSwaps = 2
const shortestClaimMs = 2_000

type Line = Omit<ModelDemand, 'inFlight'>

export function createModelTurns(backend: SharedBackend, options: ModelTurnsOptions): ModelTurns {
  const { config, inFlight, onDecided, claims, clock, log, metrics } = options
  const reader =
    backend.upstream === null ? null : createLoadedModelsReader(backend.upstream, { timeoutMs: answerTimeoutMs })
  const memory = createBackendMemory(config().workers.maxLoadedModels)
  let turn = firstTurn(clock.monotonic())
  let lines: readonly Line[] = []
  let lookedAt = Number.NEGATIVE_INFINITY
  const complaints: { memory: string | null; queues: string | null } = { memory: null, queues: null }

  /** Once for each trouble, until it is over. */
  const complain = (about: keyof typeof complaints, event: string, thrown: unknown): void => {
    const error = errorMessage(thrown)
    if (error !== complaints[about]) log.warn({ backend: backend.baseUrl, error }, event)
    complaints[about] = error
  }

  const look = async (signal: AbortSignal): Promise<void> => {
    lookedAt = clock.monotonic()
    const [seen, now] = await Promise.all([
      readMemory(signal),
      Promise.all(backend.models.map((model) => readLine(model))),
    ])
    memory.observe(seen, lookedAt)
    lines = now
    complaints.queues = null
  }

  /** As long as the backend cannot tell: what was served last. */
  const readMemory = async (signal: AbortSignal): Promise<readonly string[]> => {
    const servedLast = turn.serving === null ? [] : [turn.serving]
    if (reader === null) return servedLast
    try {
      const listed = (await reader.read(signal)).map(listedName)
      complaints.memory = null
      return backend.models.filter((model) => isListed(model, listed)).map(({ name }) => name)
    } catch (thrown) {
      signal.throwIfAborted()
      complain('memory', 'loaded-models-unreadable', thrown)
      return servedLast
    }
  }

  /** Of models that differ in their load options alone the backend does not tell which it is: that of the last turn. */
  const isListed = ({ name, listedAs }: SharedModel, listed: readonly string[]): boolean =>
    listed.includes(listedAs) &&
    (name === turn.serving || backend.models.every((other) => other.name === name || other.listedAs !== listedAs))

  const readLine = async ({ name, classes, swapCostSeconds = defaultSwapCostSeconds }: SharedModel): Promise<Line> => {
    const looks = classes.map(async (modelClass) => {
      const [depth, oldestAt, isClaimed] = await Promise.all([
        options.queue.depth(modelClass),
        options.queue.oldestAt(modelClass),
        claims.isTaken(modelClass),
      ])
      const slots = config().classes[modelClass]?.concurrency ?? 1
      const jobSeconds = options.shares.meanSeconds(modelClass) ?? unknownJobSeconds
      const waitSeconds = oldestAt === null ? 0 : Math.max(0, clock.now() - oldestAt) / 1000
      const isServedElsewhere = isClaimed || depth.active > inFlight(modelClass)
      return { waiting: depth.waiting, waitSeconds, meanSeconds: jobSeconds / slots, isServedElsewhere, isClaimed }
    })
    const all = await Promise.all(looks)
    return {
      ...{ name, swapCostSeconds },
      waiting: all.reduce((sum, { waiting }) => sum + waiting, 0),
      oldestWaitSeconds: Math.max(...all.map(({ waitSeconds }) => waitSeconds)),
      meanSeconds: Math.max(...all.map(({ meanSeconds }) => meanSeconds)),
      isServedElsewhere: all.some((one) => one.isServedElsewhere),
      isClaimed: all.some((one) => one.isClaimed),
    }
  }

  const classesOf = (name: string): readonly string[] =>
    backend.models.find((model) => model.name === name)?.classes ?? []

  const decide = (): ModelDecision => {
    const { modelDwellSeconds, modelAgeingSeconds } = config().workers
    return decideModel({
      nowMs: clock.monotonic(),
      turn,
      models: lines.map((line) => ({
        ...line,
        inFlight: classesOf(line.name).reduce((sum, modelClass) => sum + inFlight(modelClass), 0),
      })),
      loaded: memory.loaded,
      fits: memory.fits,
      dwellSeconds: modelDwellSeconds,
      ageingSeconds: modelAgeingSeconds ?? defaultAgeingSeconds,
    })
  }

  /** Two workers may choose the same model at the same moment; one of them has to think again. */
  const isOurs = async ({ chosen }: ModelDecision): Promise<boolean> => {
    if (chosen === undefined || chosen.why === 'first') return true
    const { swapCostSeconds = 0 } = lines.find(({ name }) => name === chosen.to) ?? {}
    const lifetimeMs = Math.max(shortestClaimMs, claimSwaps * swapCostSeconds * 1000)
    const taken = await Promise.all(classesOf(chosen.to).map((modelClass) => claims.take(modelClass, lifetimeMs)))
    return taken.every(Boolean) || chosen.why === 'idle'
  }

  const report = (before: Turn, { chosen }: ModelDecision): void => {
    if (chosen !== undefined) log.info({ backend: backend.baseUrl, from: before.serving, ...chosen }, 'model-chosen')
    if (before.serving === turn.serving || turn.serving === null || before.serving === null) return
    metrics.modelSwaps.with({ from: before.serving, to: turn.serving }).inc()
  }

  const advance = async (signal: AbortSignal): Promise<void> => {
    if (clock.monotonic() - lookedAt >= lookEveryMs) await look(signal)
    const decision = decide()
    if (!(await isOurs(decision))) return
    const before = turn
    turn = decision.turn
    report(before, decision)
    onDecided(new Set([...decision.open].flatMap(classesOf)))
  }

  return {
    async step(signal) {
      try {
        await orAborted(advance(signal), signal)
      } catch (thrown) {
        if (!signal.aborted) complain('queues', 'queues-unreadable', thrown)
      }
    },
    close: async () => reader?.close(),
  }
}
