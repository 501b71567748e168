import { shareOf } from '@inferq/queue'
import type { Shares } from '@inferq/shares'
import type { AttemptReport } from './attempt-report.ts'

/** Of an attempt with which the job leaves the class: it takes nothing more of its tenant's share. */
const leaving: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled', 'expired', 'fallback'])

/** Corrects what a tenant was charged for a job to what it took. */
export function createShareReport(shares: Pick<Shares, 'ended'>): AttemptReport {
  return ({ spec, class: modelClass, outcome, usage, startedAt, endedAt }) => {
    if (!leaving.has(outcome)) return
    const tokens = usage === undefined ? 0 : usage.promptTokens + usage.completionTokens
    shares.ended(
      modelClass,
      { ...shareOf(spec), tier: spec.tier },
      { tokens, seconds: Math.max(0, endedAt - startedAt) / 1000 },
    )
  }
}
