import type { AttemptRecord, EndMessage, JobRecord } from './job.ts'
import type { TerminalStatus } from './job-state.ts'
import type { EndPayload } from './log-entry.ts'

/** The report for the record of truth about a job that ends now. The result goes along only when the job keeps it. */
export function createEndMessage(
  record: JobRecord,
  attempts: readonly AttemptRecord[],
  status: TerminalStatus,
  end: EndPayload,
): EndMessage {
  const { spec } = record
  return {
    kind: 'end',
    jobId: spec.id,
    status,
    type: spec.type,
    operation: spec.operation,
    mode: spec.mode,
    tier: spec.tier,
    owner: spec.owner,
    model: spec.model,
    servedModel: spec.candidates[record.hop]?.model ?? spec.model,
    ...(spec.candidates.length < 2 ? {} : { models: spec.candidates.map(({ model }) => model) }),
    class: spec.candidates[record.hop]?.class ?? '',
    requestId: spec.requestId,
    metadata: spec.metadata,
    createdAt: spec.createdAt,
    endedAt: end.at,
    attempts,
    ...(end.deployment === undefined ? {} : { deployment: end.deployment }),
    ...(end.timings === undefined ? {} : { timings: end.timings }),
    ...(end.usage === undefined ? {} : { usage: end.usage }),
    costNanoUsd: end.costNanoUsd ?? null,
    ...(spec.route === undefined ? {} : { route: spec.route }),
    ...(end.error === undefined ? {} : { error: end.error }),
    ...(end.finishReason === undefined ? {} : { finishReason: end.finishReason }),
    ...(spec.keepResult && end.result !== undefined ? { result: end.result } : {}),
  }
}
