/** A model of a backend that cannot hold all of its models, and the work there is for it. */
export interface ModelDemand {
  readonly name: string
  /** Jobs that wait for it, in all queues whose jobs it serves. */
  readonly waiting: number
  readonly oldestWaitSeconds: number
  /** Jobs that this worker runs on it. */
  readonly inFlight: number
  /** Another worker serves it, or is about to. */
  readonly isServedElsewhere: boolean
  /** Another worker has just chosen it: nobody else gives up what it has for it. */
  readonly isClaimed: boolean
  /** Of the backend's time that a job takes: how long one takes, over how many go at once. */
  readonly meanSeconds: number
  /** What loading it costs. */
  readonly swapCostSeconds: number
}

/** Whose turn it is. `next` has been chosen, and begins when nothing runs any more that would have to make room for it. */
export interface Turn {
  readonly serving: string | null
  readonly sinceMs: number
  readonly next: string | null
  /** When each of the others last had it. */
  readonly hadAtMs: ReadonlyMap<string, number>
}

/** Before anything is known. */
export function firstTurn(nowMs: number): Turn {
  return { serving: null, sinceMs: nowMs, next: null, hadAtMs: new Map() }
}

export interface ModelQuestion {
  /** Of a clock that never goes back. */
  readonly nowMs: number
  readonly turn: Turn
  /** At least one, names unique. */
  readonly models: readonly ModelDemand[]
  /** In memory now, as far as is known. */
  readonly loaded: ReadonlySet<string>
  /** Whether these models can be in memory together. One alone always can. */
  readonly fits: (names: readonly string[]) => boolean
  /** So long a model is kept once it has its turn, while it has work. Undefined: some times what the other's loading costs. */
  readonly dwellSeconds: number | undefined
  /** For a job that has waited so long the turn changes whatever it costs, once the model has been kept for its time. */
  readonly ageingSeconds: number
}

/** Why the turn goes to another model. */
export type SwapReason = 'first' | 'idle' | 'aged' | 'due'

export interface ModelDecision {
  readonly turn: Turn
  /** Models whose jobs may be taken now; nobody else's. */
  readonly open: ReadonlySet<string>
  /** Present when another model has been chosen by this very decision. */
  readonly chosen?: { readonly to: string; readonly why: SwapReason }
}

/** At most a sixth of the time goes into loading when there is always work for more than one model. */
const dwellSwaps = 5

/**
 * Which models' jobs may be taken now.
 *
 *     serving ── another is chosen ──→ draining (next) ── what must make room has ended ──→ serving
 *        ↑                                  │ there is nothing to do for it any more
 *        └──────────────────────────────────┘ or it fits beside the one that has the turn
 *
 * The model that has the turn keeps it while it has work, for its dwell at least. Then another gets it whose waiting has
 * come to cost more than loading: waiting work × age of its oldest > (cost of loading)² + the same product of the one that
 * has the turn, all in seconds. A model without work gives way at once. Models that fit beside it are open too.
 */
export function decideModel(question: ModelQuestion): ModelDecision {
  const { turn, models } = question
  const serving = models.find(({ name }) => name === turn.serving)
  if (serving === undefined) {
    const [first] = inOrderOf(models, (model) => [
      hasWork(model),
      question.loaded.has(model.name),
      model.oldestWaitSeconds,
    ])
    if (first === undefined) return { turn, open: new Set() }
    const begun = goOn(question, first)
    return begun.turn.serving === null ? begun : { ...begun, chosen: { to: first.name, why: 'first' } }
  }
  const open = beside(question, serving)
  const next = models.find(({ name }) => name === turn.next)
  if (next !== undefined && hasWork(next) && !open.has(next.name)) return goOn(question, next)
  const settled = { ...question, turn: { ...turn, next: null } }
  const others = models.filter((model) => model.waiting > 0 && !open.has(model.name))
  // Of those that have waited too long it is not who waits longest: two that never catch up would keep a third from its turn.
  const urgency = (model: ModelDemand): readonly (number | boolean)[] =>
    isAged(question, model)
      ? [true, -(turn.hadAtMs.get(model.name) ?? Number.NEGATIVE_INFINITY)]
      : [false, model.oldestWaitSeconds]
  for (const other of inOrderOf(others, urgency)) {
    const why = reasonFor(settled, serving, other)
    if (why !== null) return choose(settled, other, why)
  }
  return { turn: settled.turn, open }
}

function reasonFor(question: ModelQuestion, serving: ModelDemand, other: ModelDemand): SwapReason | null {
  if (!hasWork(serving)) return isWorthAnIdleBackend(other) ? 'idle' : null
  if (other.isClaimed) return null
  const { nowMs, turn, ageingSeconds } = question
  const dwellSeconds = question.dwellSeconds ?? dwellSwaps * other.swapCostSeconds
  // A dwell beyond the cap would take the cap's meaning away.
  if (nowMs - turn.sinceMs < Math.min(dwellSeconds, ageingSeconds) * 1000) return null
  if (isAged(question, other)) return 'aged'
  return pressure(other) > other.swapCostSeconds ** 2 + pressure(serving) ? 'due' : null
}

function isAged({ ageingSeconds }: ModelQuestion, { oldestWaitSeconds }: ModelDemand): boolean {
  return oldestWaitSeconds >= ageingSeconds
}

function isWorthAnIdleBackend({
  isServedElsewhere,
  waiting,
  oldestWaitSeconds,
  swapCostSeconds,
}: ModelDemand): boolean {
  return !isServedElsewhere || waiting * oldestWaitSeconds >= swapCostSeconds
}

/** Waiting work × age of the oldest, in seconds². */
function pressure({ waiting, meanSeconds, oldestWaitSeconds }: ModelDemand): number {
  return waiting * meanSeconds * oldestWaitSeconds
}

/** It begins at the next step at the earliest: a job of the one before may just be on its way here. */
function choose(question: ModelQuestion, to: ModelDemand, why: SwapReason): ModelDecision {
  const turn = { ...question.turn, next: to.name }
  return { turn, open: stillOpen({ ...question, turn }, beside(question, to)), chosen: { to: to.name, why } }
}

/** On the way to the next one's turn, which begins when those that must make room have nothing running. */
function goOn(question: ModelQuestion, next: ModelDemand): ModelDecision {
  const { models, turn, nowMs } = question
  const open = beside(question, next)
  const isClear = models.every(({ name, inFlight }) => inFlight === 0 || open.has(name))
  if (!isClear) return { turn, open: stillOpen(question, open) }
  const hadAtMs = new Map(turn.hadAtMs)
  if (turn.serving !== null) hadAtMs.set(turn.serving, nowMs)
  return { turn: { serving: next.name, sinceMs: nowMs, next: null, hadAtMs }, open }
}

/** Meanwhile: those that need not make room and had room before. */
function stillOpen(question: ModelQuestion, after: ReadonlySet<string>): ReadonlySet<string> {
  const { models, turn } = question
  const serving = models.find(({ name }) => name === turn.serving)
  if (serving === undefined) return new Set()
  const before = beside(question, serving)
  return new Set([...after].filter((name) => before.has(name)))
}

/** The model, and those that fit in memory with it: first what is there and has work, then who has work, then the rest. */
function beside({ models, loaded, fits }: ModelQuestion, first: ModelDemand): Set<string> {
  const rest = models.filter(({ name }) => name !== first.name)
  const names = [first.name]
  for (const { name } of inOrderOf(rest, (model) => [hasWork(model), loaded.has(model.name)])) {
    if (fits([...names, name])) names.push(name)
  }
  return new Set(names)
}

function hasWork({ waiting, inFlight }: ModelDemand): boolean {
  return waiting > 0 || inFlight > 0
}

/** Greatest first; equal ones as they were. */
function inOrderOf(
  models: readonly ModelDemand[],
  rank: (model: ModelDemand) => readonly (number | boolean)[],
): readonly ModelDemand[] {
  return models.toSorted((a, b) => {
    const ranksOfB = rank(b)
    return (
      rank(a)
        .map((value, place) => Number(ranksOfB[place]) - Number(value))
        .find((difference) => difference !== 0) ?? 0
    )
  })
}
