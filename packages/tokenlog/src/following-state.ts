import { comparePositions, isTerminalKind, type LogEntry, type LogPosition } from '@inferq/contracts'
import type { FollowOptions } from './token-log.ts'

/**
 * One reader of one log. Live entries are taken only when they come next; on a gap, a pause or a doubt the log is read
 * again from the cursor, so nothing is ever buffered here.
 */
export class FollowingState {
  readonly jobId: string
  readonly options: FollowOptions
  /** Monotonic time of the registration. */
  readonly followedAt: number
  /** The last entry handed over. */
  cursor: LogPosition | null
  /** The log's entries are published to us (or will be, once it is opened). */
  attached: boolean
  paused = false
  closed = false
  /** A read of the log is under way; live entries that come meanwhile are only noted. */
  reading = false
  missed = false
  unavailableSince: number | null = null

  constructor(jobId: string, options: FollowOptions, followedAt: number) {
    this.jobId = jobId
    this.followedAt = followedAt
    this.options = options
    this.attached = options.attached ?? false
    // A job that is opened for this reader has its first entry, 0-1, behind it: nothing in it is news.
    this.cursor = options.after ?? (this.attached ? { attempt: 0, seq: 1 } : null)
  }

  /** Whether `entry` comes right after what was handed over. */
  isNext(entry: LogPosition): boolean {
    if (this.cursor === null) return false
    if (entry.attempt === this.cursor.attempt) return entry.seq === this.cursor.seq + 1
    // A later attempt may hide entries of the one before: only the very first attempt starts for certain at 1-0. That
    // entry is not published to whoever opened an interactive job, who takes 1-1 for next as well.
    const firstSeq = this.options.attached === true ? 1 : 0
    return this.cursor.attempt === 0 && entry.attempt === 1 && entry.seq <= firstSeq
  }

  isOld(entry: LogPosition): boolean {
    return this.cursor !== null && comparePositions(entry, this.cursor) <= 0
  }

  /** Hands entries over; returns false when there is nothing more to do for now (paused, or ended). */
  deliver(entries: readonly LogEntry[]): boolean {
    const fresh = entries.filter((entry) => !this.isOld(entry))
    const last = fresh.at(-1)
    if (last === undefined) return !this.closed && !this.paused
    this.cursor = { attempt: last.attempt, seq: last.seq }
    const goOn = this.options.onEntries(fresh)
    if (isTerminalKind(last.kind)) this.closed = true
    else if (goOn === false) this.paused = true
    return !this.closed && !this.paused
  }
}
