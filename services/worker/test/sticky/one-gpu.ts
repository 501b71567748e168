import { decideModel, firstTurn, type ModelDecision, type Turn } from '../../src/sticky/decide-model.ts'

export interface SimulatedModel {
  readonly name: string
  readonly slots: number
  readonly jobSeconds: number
  readonly swapCostSeconds: number
}

export interface Arrival {
  readonly atSeconds: number
  readonly model: string
}

export interface OneGpuOptions {
  readonly models: readonly SimulatedModel[]
  readonly arrivals: readonly Arrival[]
  readonly ageingSeconds: number
  readonly dwellSeconds?: number
  /** `fifo`: whatever came first is served next, as if all were one line. */
  readonly policy?: 'turns' | 'fifo'
}

export interface OneGpuResult {
  readonly swaps: number
  /** How long each job waited, in the order of their starts. */
  readonly waits: readonly { readonly model: string; readonly seconds: number }[]
  /** The longest that nothing ran or was loaded while jobs waited. */
  readonly idleSeconds: number
  /** The longest that a model did not have its turn while a job of it had waited for longer than the cap. */
  readonly overdueSeconds: number
}

const stepSeconds = 0.2
const lookSeconds = 1

/** A GPU with room for one model, in virtual time: queues are looked at once a second, what runs at every step. */
export function simulateOneGpu(options: OneGpuOptions): OneGpuResult {
  const { models, ageingSeconds, dwellSeconds, policy = 'turns' } = options
  const arrivals = options.arrivals.toSorted((a, b) => a.atSeconds - b.atSeconds)
  const queues = new Map(models.map(({ name }) => [name, [] as number[]]))
  const overdueSince = new Map<string, number>()
  const waits: { model: string; seconds: number }[] = []
  let running: { model: string; endsAt: number }[] = []
  let turn: Turn = firstTurn(0)
  let looked: ReadonlyMap<string, { waiting: number; oldestAt: number | undefined }> = new Map()
  let resident: string | null = null
  let loadedAt = 0
  let swaps = 0
  let busyAt = 0
  let idleSeconds = 0
  let overdueSeconds = 0
  let now = 0

  const decide = (): ModelDecision =>
    decideModel({
      nowMs: now * 1000,
      turn,
      models: models.map(({ name, slots, jobSeconds, swapCostSeconds }) => ({
        ...{ name, swapCostSeconds, isServedElsewhere: false, isClaimed: false },
        waiting: looked.get(name)?.waiting ?? 0,
        oldestWaitSeconds: now - (looked.get(name)?.oldestAt ?? now),
        inFlight: running.filter(({ model }) => model === name).length,
        meanSeconds: jobSeconds / slots,
      })),
      loaded: new Set(resident === null ? [] : [resident]),
      fits: (names) => names.length <= 1,
      dwellSeconds,
      ageingSeconds,
    })

  const start = ({ name, jobSeconds, swapCostSeconds }: SimulatedModel): void => {
    if (running.some(({ model }) => model !== name)) throw new Error(`${name} begins before the others have ended`)
    if (resident !== name) {
      if (resident !== null) swaps += 1
      resident = name
      loadedAt = now + swapCostSeconds
    }
    waits.push({ model: name, seconds: now - (queues.get(name)?.shift() ?? now) })
    running.push({ model: name, endsAt: Math.max(now, loadedAt) + jobSeconds })
  }

  const take = (model: SimulatedModel): void => {
    const queue = queues.get(model.name) ?? []
    const ofModel = (): number => running.filter((job) => job.model === model.name).length
    while (queue.length > 0 && ofModel() < model.slots) start(model)
  }

  const takeInTurns = (): void => {
    const decision = decide()
    ;({ turn } = decision)
    for (const model of models) if (decision.open.has(model.name)) take(model)
    for (const { name } of models) {
      const oldestAt = queues.get(name)?.[0]
      const isOverdue = oldestAt !== undefined && now - oldestAt > ageingSeconds && turn.serving !== name
      if (!isOverdue) overdueSince.delete(name)
      else if (!overdueSince.has(name)) overdueSince.set(name, now)
      else overdueSeconds = Math.max(overdueSeconds, now - (overdueSince.get(name) ?? now))
    }
  }

  const takeInOrder = (): void => {
    for (;;) {
      const [first] = models
        .filter(({ name }) => (queues.get(name)?.length ?? 0) > 0)
        .toSorted((a, b) => (queues.get(a.name)?.[0] ?? 0) - (queues.get(b.name)?.[0] ?? 0))
      if (first === undefined || running.length >= first.slots) return
      if (running.some(({ model }) => model !== first.name)) return
      start(first)
    }
  }

  let arrived = 0
  let nextLook = 0
  while (arrived < arrivals.length || running.length > 0 || [...queues.values()].some((queue) => queue.length > 0)) {
    running = running.filter(({ endsAt }) => endsAt > now)
    for (let next = arrivals[arrived]; next !== undefined && next.atSeconds <= now; next = arrivals[arrived]) {
      queues.get(next.model)?.push(next.atSeconds)
      arrived += 1
    }
    if (now >= nextLook) {
      looked = new Map([...queues].map(([name, queue]) => [name, { waiting: queue.length, oldestAt: queue[0] }]))
      nextLook = now + lookSeconds
    }
    if (policy === 'turns') takeInTurns()
    else takeInOrder()
    const isIdle = running.length === 0 && [...queues.values()].some((queue) => queue.length > 0)
    if (isIdle) idleSeconds = Math.max(idleSeconds, now - busyAt)
    else busyAt = now
    now += stepSeconds
    if (now > 20_000) throw new Error('it never ends')
  }
  return { swaps, waits, idleSeconds, overdueSeconds }
}
