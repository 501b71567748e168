import type { Growth } from './token-growth.ts'

/** What a backend that tells of its load has said last. */
export interface Load {
  readonly waiting: number
  readonly running: number
  /** Share of the KV cache in use, 0 to 1; undefined where it is not told. */
  readonly kvUsage: number | undefined
}

/** A class on this worker, as seen at one look. */
export interface GateView {
  /** Of a clock that never goes back. */
  readonly nowMs: number
  /** The upper bound. */
  readonly configured: number
  /** Jobs whose calls the backend has accepted, or is about to answer. */
  readonly inFlight: number
  /** More jobs wait than run. */
  readonly hasBacklog: boolean
  /** `none`: this kind of backend tells nothing. `unreadable`: it should, and did not. */
  readonly load: Load | 'none' | 'unreadable'
  /** Since the last look: calls it had no room for, requests it threw out of its KV cache. */
  readonly rejections: number
  readonly preemptions: number
  /** Jobs that have ended since the last look. */
  readonly ended: number
  /** What the jobs come to take of the KV cache. */
  readonly growth: Growth
}

/** Why the limit is what it is: raised, lowered, or not raised. */
export type GateReason =
  | 'start'
  | 'room'
  | 'rejected'
  | 'preempted'
  | 'kv_full'
  | 'backend_queue'
  | 'unused'
  | 'configured'
  | 'demand'
  | 'tokens'
  | 'metrics_unreadable'
  | 'no_metrics'

/**
 *     slow_start ── first congestion ──→ steady
 *         ↑          long unused            │
 *         └─────────────────────────────────┘
 */
export interface GateState {
  readonly limit: number
  readonly phase: 'slow_start' | 'steady'
  readonly reason: GateReason
  /** When it was last lowered for congestion. */
  readonly loweredAtMs: number
  /** Since when there was no use for more; null while there is. */
  readonly idleSinceMs: number | null
  /** Whether the last look showed more waiting at the backend than may. */
  readonly sawQueue: boolean
  /** Looks in a row at which the load could not be read. */
  readonly unreadable: number
  readonly everRead: boolean
}

/** Where a backend that tells its load begins; any other begins at what is configured. */
const firstLimit = 16
/** Requests that may wait at the backend, so that its next step never lacks one. */
const lookahead = 2
/** Of the KV cache: filled up to the first, lowered above the second, to what fills it up to the first again. */
const kvRoom = 0.9
const kvFull = 0.94
const loweredBy = 0.7
/** For preemptions: a cache that is a little too full, where a rejection says that there is no room at all. */
const loweredByPreemption = 0.8
/** Between two cuts: what a cut does shows in the load only when jobs end. */
const cooldownMs = 5_000
/** Steady growth at a look: this part of the limit, and no more than jobs have ended, for it shows only as they do. */
const growthPart = 1 / 16
const unusedMs = 60_000
/** A backend that has never told its load in so many looks is served like one that has none. */
const looksBeforeNone = 3

/** @param tellsLoad whether this kind of backend does. */
export function firstState(configured: number, tellsLoad: boolean): GateState {
  return {
    limit: tellsLoad ? Math.min(firstLimit, configured) : configured,
    phase: tellsLoad ? 'slow_start' : 'steady',
    reason: tellsLoad ? 'start' : 'no_metrics',
    loweredAtMs: Number.NEGATIVE_INFINITY,
    idleSinceMs: null,
    sawQueue: false,
    unreadable: 0,
    everRead: false,
  }
}

/**
 * The next limit of a class. It is lowered for rejections, preemptions, a full KV cache and a queue at the backend; raised
 * while the backend shows room, jobs wait and the slots are full; never by how long answers take, which follows their length.
 */
export function decideLimit(before: GateState, view: GateView): GateState {
  const state = remember(before, view)
  const hasNeverTold = !state.everRead && state.unreadable >= looksBeforeNone
  if (!hasNeverTold) return next(state, view, before.sawQueue)
  const isNews = state.unreadable === looksBeforeNone && state.loweredAtMs === Number.NEGATIVE_INFINITY
  const given = isNews ? { ...state, limit: view.configured, phase: 'steady' as const } : state
  const decided = next(given, { ...view, load: 'none' }, false)
  return decided.limit === state.limit || isNews ? { ...decided, reason: 'metrics_unreadable' } : decided
}

function next(state: GateState, view: GateView, hadQueue: boolean): GateState {
  return lowered(state, view, hadQueue) ?? held(state, view) ?? raised(state, view)
}

/** What is to be known at the next look, and the configuration's bound. */
function remember(before: GateState, view: GateView): GateState {
  const { load, configured, nowMs } = view
  const unreadable = load === 'unreadable' ? before.unreadable + 1 : 0
  const sawQueue = typeof load === 'object' && load.waiting > lookahead
  const isUsed = view.hasBacklog || view.inFlight > before.limit / 2
  return {
    ...before,
    limit: Math.max(1, Math.min(before.limit, configured)),
    unreadable,
    sawQueue,
    everRead: before.everRead || typeof load === 'object',
    idleSinceMs: isUsed ? null : (before.idleSinceMs ?? nowMs),
  }
}

function lowered(state: GateState, view: GateView, hadQueue: boolean): GateState | undefined {
  const { inFlight, load, nowMs } = view
  const kvUsage = typeof load === 'object' ? (load.kvUsage ?? 0) : 0
  const why =
    view.rejections > 0 ? 'rejected' : view.preemptions > 0 ? 'preempted' : kvUsage > kvFull ? 'kv_full' : undefined
  if (why !== undefined) {
    // What runs beyond the limit is what the last cut was about: it has to end before another one can be called for.
    const isOver = inFlight > state.limit
    if (isOver || nowMs - state.loweredAtMs < cooldownMs) return { ...state, reason: why, phase: 'steady' }
    const held = Math.max(1, Math.min(state.limit, inFlight))
    const part = { kv_full: kvRoom / kvUsage, preempted: loweredByPreemption, rejected: loweredBy }[why]
    return { ...state, limit: floor(held * part), phase: 'steady', reason: why, loweredAtMs: nowMs }
  }
  if (typeof load !== 'object' || load.waiting <= lookahead) return undefined
  const reason = 'backend_queue'
  // One look may have come between the arrival of requests and the backend's next step.
  if (!hadQueue) return { ...state, phase: 'steady', reason }
  const ours = inFlight / Math.max(inFlight, load.waiting + load.running)
  const limit = floor(inFlight - Math.ceil((load.waiting - lookahead) * ours))
  return { ...state, limit: Math.min(state.limit, limit), phase: 'steady', reason }
}

function held(state: GateState, view: GateView): GateState | undefined {
  const { load, configured, nowMs } = view
  if (load === 'unreadable') return { ...state, reason: 'metrics_unreadable' }
  const isUnused = state.idleSinceMs !== null && nowMs - state.idleSinceMs >= unusedMs
  if (isUnused && typeof load === 'object') {
    const limit = Math.min(state.limit, Math.max(Math.min(firstLimit, configured), 2 * view.inFlight))
    return { ...state, limit, phase: 'slow_start', reason: 'unused' }
  }
  if (state.limit >= configured) return { ...state, reason: load === 'none' ? 'no_metrics' : 'configured' }
  const isFull = view.inFlight >= Math.ceil(state.limit * 0.75)
  if (!view.hasBacklog || !isFull) return { ...state, reason: 'demand' }
  return undefined
}

function raised(state: GateState, view: GateView): GateState {
  const { load, configured, inFlight, growth } = view
  const isSlowStart = state.phase === 'slow_start'
  const step = isSlowStart ? state.limit : Math.min(view.ended, Math.max(1, Math.floor(state.limit * growthPart)))
  const wanted = Math.min(configured, state.limit + step)
  if (typeof load !== 'object') return { ...state, limit: wanted, reason: 'room' }
  if (load.waiting >= lookahead) return { ...state, reason: 'backend_queue' }
  // Those that start together come to their longest together.
  const limit = Math.min(wanted, fitting(load, inFlight, isSlowStart ? growth.peak : growth.mean))
  if (limit > state.limit) return { ...state, limit, reason: 'room' }
  return { ...state, phase: growth.isKnown ? 'steady' : state.phase, reason: 'tokens' }
}

/** As many jobs as fill the KV cache up to its room, once those that run have grown. */
function fitting({ kvUsage = 0, running }: Load, inFlight: number, growth: number): number {
  if (kvUsage >= kvRoom) return 0
  const perJob = (kvUsage / Math.max(1, running)) * Math.max(1, growth)
  const others = Math.max(0, running - inFlight)
  return perJob === 0 ? Number.POSITIVE_INFINITY : Math.floor(kvRoom / perJob) - others
}

function floor(limit: number): number {
  return Math.max(1, Math.floor(limit))
}
