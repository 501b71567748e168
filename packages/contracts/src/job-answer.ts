import type { JobSpec } from './job.ts'

/** What an answer says about its job. */
export interface AnsweredJob {
  readonly id: string
  readonly operation: JobSpec['operation']
  readonly model: string
  readonly createdAt: number
}

const completions = {
  chat: { object: 'chat.completion', idPrefix: 'chatcmpl-' },
  // The text of a summary is shown as a chat would be, to whoever reads its events in OpenAI's format.
  summary: { object: 'chat.completion', idPrefix: 'chatcmpl-' },
  text: { object: 'text_completion', idPrefix: 'cmpl-' },
} as const

/** The id and the model under which a completion's answer goes out: stable over fallbacks, whatever the upstream called itself. */
export function answerIdentity(job: AnsweredJob & { readonly operation: keyof typeof completions }): {
  readonly id: string
  readonly model: string
} {
  return { id: completions[job.operation].idPrefix + job.id.slice(job.id.indexOf('_') + 1), model: job.model }
}

/** The whole answer of a job in OpenAI's shape, from its result. */
export function answerBody(job: AnsweredJob, result: object): object {
  const { operation } = job
  if (operation === 'embeddings') return { object: 'list', ...result, model: job.model }
  const identity = answerIdentity({ ...job, operation })
  return { ...identity, object: completions[operation].object, ...result, ...identity, created: createdSeconds(job) }
}

/** The result of any job as its owner gets it: under our id and the public name. */
export function presentResult(job: AnsweredJob, result: unknown): unknown {
  if (typeof result !== 'object' || result === null || job.operation === 'summary') return result ?? null
  return answerBody(job, result)
}

export function createdSeconds(job: AnsweredJob): number {
  return Math.floor(job.createdAt / 1000)
}
