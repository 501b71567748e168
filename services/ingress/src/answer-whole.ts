import type { ServerResponse } from 'node:http'
import { InferqError, type JobSpec } from '@inferq/contracts'
import { endHeaders, type Headers, jobHeaders } from './answer-headers.ts'
import type { IngressCore } from './dependencies.ts'
import { type AnswerDialect, openAiDialect } from './dialects/answer-dialect.ts'
import type { JoinPoint } from './earlier-job.ts'
import { Exchange, type ExchangeOutcome } from './exchange.ts'
import { resultOf } from './job-end.ts'
import { noteEnd, type RequestFacts } from './request-facts.ts'
import { startOrEnqueue, toDetail } from './submit.ts'

export type WholeAnswer =
  | { readonly kind: 'answer'; readonly headers: Headers; readonly body: string }
  | { readonly kind: 'disconnected' }

/**
 * Runs an interactive job and gives its whole answer. Throws the job's error as InferqError.
 * @param join the job is there already: wait for it
 * @param dialect default: OpenAI's
 */
export async function answerWhole(
  core: IngressCore,
  spec: JobSpec,
  raw: ServerResponse,
  facts: RequestFacts,
  join?: JoinPoint,
  dialect: AnswerDialect = openAiDialect(spec.request),
): Promise<WholeAnswer> {
  const settled = Promise.withResolvers<ExchangeOutcome>()
  const exchange = new Exchange(core, spec, raw, { onEntries: () => true, onOutcome: settled.resolve }, join)
  exchange.start()
  if (join === undefined) {
    startOrEnqueue(core, spec).catch((thrown: unknown) => exchange.refuse(toDetail(thrown)))
  }
  const outcome = await settled.promise
  switch (outcome.kind) {
    case 'disconnected':
      return outcome
    case 'failed':
      facts.jobHeaders = jobHeaders(spec, exchange.track)
      throw new InferqError(outcome.error)
    case 'ended': {
      noteEnd(facts, spec.createdAt, exchange.track, outcome.end)
      const headers = endHeaders(spec, exchange.track, outcome.end, core.clock.now())
      facts.jobHeaders = headers
      const body = JSON.stringify(dialect.body(spec, resultOf(outcome.status, outcome.end), outcome.end))
      return { kind: 'answer', headers, body }
    }
    default:
      return outcome satisfies never
  }
}
