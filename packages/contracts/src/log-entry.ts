import type { ErrorDetail } from './errors.ts'
import type { TerminalStatus } from './job-state.ts'

/**
 * Position in a token log: `<attempt>-<seq>` (`attemptBase` says how attempts are numbered). Redis refuses an id that is not greater than the last one, so the first entry
 * of attempt n fences every later write of attempt n - 1. It is also the id of the SSE event.
 */
export interface LogPosition {
  readonly attempt: number
  readonly seq: number
}

/**
 * Kinds of entries. One letter each: there is one entry for every flush of tokens.
 * | kind | payload | meaning |
 * |---|---|---|
 * | q | JSON QueuedPayload | accepted; the first entry of an asynchronous job, `0-1`, or `<base>-1` after a loss, followed by an x |
 * | s | JSON StartedPayload | an attempt began, always `<attempt>-0` |
 * | m | JSON ServedPayload | which deployment the output that follows is from; comes with the attempt's first output |
 * | t | text | text of the first choice, as it came |
 * | d | JSON ChoiceDelta[] | everything else a chunk may carry: tool calls, reasoning, other choices, finish reasons |
 * | p | JSON ProgressPayload | progress of a job in several parts |
 * | r | JSON RequeuedPayload | the attempt ended without an outcome; the job waits again |
 * | x | empty | what this job has shown so far is void; output starts over |
 * | C F K E | JSON EndPayload | the one terminal entry: completed, failed, cancelled (killed), expired |
 */
export type LogKind = 'q' | 's' | 'm' | 't' | 'd' | 'p' | 'r' | 'x' | TerminalKind
export type TerminalKind = 'C' | 'F' | 'K' | 'E'

export interface LogEntry extends LogPosition {
  readonly kind: LogKind
  readonly payload: string
}

export const terminalKinds: Readonly<Record<TerminalStatus, TerminalKind>> = {
  completed: 'C',
  failed: 'F',
  cancelled: 'K',
  expired: 'E',
}

const statusOfKind: Readonly<Record<TerminalKind, TerminalStatus>> = {
  C: 'completed',
  F: 'failed',
  K: 'cancelled',
  E: 'expired',
}

export function isTerminalKind(kind: LogKind): kind is TerminalKind {
  return kind === 'C' || kind === 'F' || kind === 'K' || kind === 'E'
}

export function statusOfTerminalKind(kind: TerminalKind): TerminalStatus {
  return statusOfKind[kind]
}

export interface QueuedPayload {
  readonly class: string
  readonly at: number
}

export interface StartedPayload {
  readonly worker: string
  readonly at: number
}

export interface ServedPayload {
  readonly model: string
  readonly deployment: string
  /** The output goes on where the attempt before had stopped. */
  readonly continued?: true
}

export interface ProgressPayload {
  readonly stage: 'map' | 'reduce'
  readonly done: number
  readonly total: number
}

export type RequeueMove = 'requeue' | 'retry' | 'fallback'

export interface RequeuedPayload {
  readonly move: RequeueMove
  readonly reason: string
  readonly delayMs: number
  /** Where it waits from now on: the index of its candidate, and that one's class. */
  readonly hop: number
  readonly class: string
  readonly at: number
}

/** A choice's part of a chat completion chunk, in OpenAI's shape; fields we do not know are kept. */
export interface ChoiceDelta {
  readonly index: number
  readonly delta?: Readonly<Record<string, unknown>>
  readonly text?: string
  readonly finish_reason?: string | null
  readonly logprobs?: unknown
}

/** Tokens as counted by the upstream, or by us (`estimated`) when it does not say. */
export interface TokenUsage {
  readonly promptTokens: number
  readonly completionTokens: number
  readonly cachedTokens?: number
  /** Of the prompt, written to the upstream's cache. */
  readonly cacheWriteTokens?: number
  readonly reasoningTokens?: number
  readonly estimated?: true
}

/** Times of the attempt that ended the job, in ms; epoch where named `At`. */
export interface EndTimings {
  readonly startedAt: number
  readonly endedAt: number
  readonly firstTokenAt?: number
}

export interface EndPayload {
  readonly at: number
  /** The answer as the job's type gives it; absent where the log's deltas are the answer and nobody keeps it. */
  readonly result?: unknown
  readonly finishReason?: string
  readonly usage?: TokenUsage
  readonly error?: ErrorDetail
  /** In 10^-9 USD. Null or absent: the price is not known, or nothing was called. */
  readonly costNanoUsd?: number | null
  readonly deployment?: string
  readonly timings?: EndTimings
}

/**
 * Attempts are numbered from 1. When Redis has lost a job with its log, those of the new log are numbered from 1,000,001,
 * after the next loss from 2,000,001, and so on: positions go on ascending, and writers from before stay fenced.
 */
const attemptsPerLoss = 1_000_000
/** Beyond it a position would have more digits than one may have. */
const mostLosses = 998

/** What the attempts of a job are counted from that Redis has lost so often. */
export function attemptBase(losses: number): number {
  return Math.min(losses, mostLosses) * attemptsPerLoss
}

/** How often Redis had lost the job by this attempt. */
export function lossesBefore(attempt: number): number {
  return Math.floor(attempt / attemptsPerLoss)
}

/** The number of an attempt as people count: from 1, since the last loss. 0: none has begun. */
export function countAttempts(attempt: number): number {
  return attempt % attemptsPerLoss
}

export function formatPosition(position: LogPosition): string {
  return `${position.attempt}-${position.seq}`
}

/** Parses `<attempt>-<seq>`; null for anything else, so that a client's Last-Event-ID can be refused. */
export function parsePosition(text: string): LogPosition | null {
  const match = /^(\d{1,9})-(\d{1,9})$/.exec(text)
  if (match === null) return null
  return { attempt: Number(match[1]), seq: Number(match[2]) }
}

/** Negative when `a` comes before `b`, 0 when equal. */
export function comparePositions(a: LogPosition, b: LogPosition): number {
  return a.attempt === b.attempt ? a.seq - b.seq : a.attempt - b.attempt
}
