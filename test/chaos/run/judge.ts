import { checkHistory } from '../history/check-history.ts'
import type { History, Span } from '../history/history.ts'
import { livesOf, overlap } from './attribute.ts'
import type { Struck } from './inject.ts'
import type { MeasuredRecovery } from './recoveries.ts'
import type { InjectedFault, Recovery, RunViolation } from './run.ts'
import type { Complaint } from './settle.ts'
import type { Death } from './watch-members.ts'

export interface Evidence {
  readonly history: History
  readonly struck: readonly Struck[]
  /** What was not so when all was over. */
  readonly complaints: readonly Complaint[]
  readonly deaths: readonly Death[]
}

/** A fault may show in what comes shortly after it. */
const aftermathMs = 15_000

/** Every promise that was broken, each with the faults that its job has lived through. Pure. */
export function judge({ history, struck, complaints, deaths }: Evidence): readonly RunViolation[] {
  const lives = livesOf(history)
  const faultsDuring = (life: Span | undefined): readonly string[] => {
    const met = struck.filter((fault) => life !== undefined && overlap(life, spanOf(fault, aftermathMs)))
    return [...new Set(met.map(({ fault }) => fault))]
  }
  return [
    ...deaths.map(({ member, at, lastLines }): RunViolation => {
      const detail = `it ended by itself; its last words: ${lastLines.join(' | ')}`
      return { rule: 'nothing-crashes', jobId: member, detail, faults: faultsDuring({ from: at, to: at }) }
    }),
    // It may have come from any of them.
    ...complaints.map(({ rule, about, detail }): RunViolation => ({ rule, jobId: about, detail, faults: [] })),
    ...checkHistory(history).map(({ rule, jobId, detail, span = lives.get(jobId) }): RunViolation => {
      return { rule, jobId, detail, faults: faultsDuring(span) }
    }),
  ]
}

/** The fault, with how many jobs lived while it lasted. */
export function withCount({ mayLose: _, ...fault }: Struck, lives: Iterable<Span>): InjectedFault {
  let struck = 0
  for (const life of lives) if (overlap(life, spanOf(fault, 0))) struck++
  return { ...fault, struck }
}

/** Disturbed when more than the one fault that is recovered from was there meanwhile. */
export function toRecovery({ after, seconds, from, to }: MeasuredRecovery, struck: readonly Struck[]): Recovery {
  const met = struck.filter((fault) => overlap({ from, to }, spanOf(fault, 0)))
  return { after, seconds, isDisturbed: met.length > 1 }
}

function spanOf({ startedAt, healedAt }: Pick<Struck, 'startedAt' | 'healedAt'>, afterMs: number): Span {
  return { from: startedAt, to: healedAt + afterMs }
}
