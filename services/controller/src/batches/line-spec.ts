import { type InferqConfig, weightOf } from '@inferq/config'
import type { JobSpec, JobType, Operation } from '@inferq/contracts'
import type { RouteDecision, RouteRequest } from '@inferq/routing'
import type { LineRequest, PendingLine, StoredBatch } from '@inferq/store'

const typeOfOperation: Readonly<Record<Operation, JobType>> = {
  chat: 'completion',
  text: 'completion',
  embeddings: 'embedding',
  summary: 'summarization',
}

/** What routing is asked for a line, as it would be for the same request sent by the maker of the batch. */
export function lineRoute(
  batch: StoredBatch,
  line: PendingLine,
  request: LineRequest,
  chance: { readonly now: number; readonly random: () => number },
): RouteRequest {
  const { caller } = batch
  const ofBody = request['metadata']
  const metadata = { batch_id: batch.id }
  return {
    model: line.model,
    operation: line.operation,
    body: request,
    caller: { ...caller, metadata: caller.metadata ?? {} },
    metadata: typeof ofBody === 'object' && ofBody !== null ? { ...ofBody, ...metadata } : metadata,
    headers: {},
    ...chance,
  }
}

/** The job of a line. Its id is the line's; it may wait as long as the batch may. Nobody reads its tokens as they come. */
export function lineSpec(
  batch: StoredBatch,
  line: PendingLine,
  request: LineRequest,
  decision: Extract<RouteDecision, { kind: 'candidates' }>,
  { shares }: Pick<InferqConfig, 'shares'>,
  now: number,
): JobSpec {
  const { candidates, note, cascade, expectedTokens } = decision
  const tenant = batch.caller.tenant ?? batch.owner
  return {
    id: line.jobId,
    type: typeOfOperation[line.operation],
    operation: line.operation,
    request,
    model: line.model,
    candidates,
    route: note,
    ...(cascade === undefined ? {} : { cascade }),
    owner: batch.owner,
    tier: 'flex',
    share: { tenant, weight: weightOf(shares, tenant), tokens: expectedTokens },
    mode: 'async',
    stream: false,
    keepResult: true,
    createdAt: now,
    startBy: batch.expiresAt,
    finishBy: batch.expiresAt,
    metadata: { batch_id: batch.id },
    requestId: line.jobId,
  }
}
