import {
  countAttempts,
  type EndPayload,
  formatPosition,
  type LogEntry,
  type LogPosition,
  type QueuedPayload,
  type RequeuedPayload,
  type ServedPayload,
  type StartedPayload,
  statusOfTerminalKind,
  type TerminalStatus,
} from '@inferq/contracts'
import { toOpenAiUsage } from '../usage.ts'
import { type AnsweredJob, presentResult } from './dialect.ts'

/**
 * The native events of a job. The id of each is its position in the log; times are Unix seconds.
 * | event | data |
 * |---|---|
 * | job.queued | `{job_id, class, at}` |
 * | job.started | `{attempt, worker, at}` |
 * | output.delta | `{text}` for the first choice, else `{choices: [{index, delta, finish_reason?, …}]}` |
 * | job.progress | `{stage, done, total}` |
 * | job.requeued | `{move, reason, delay_ms, class, at}` |
 * | output.continued | `{attempt, deployment}`: another deployment goes on where the one before had stopped |
 * | output.reset | `{}`: what was shown is void |
 * | job.completed, job.failed, job.cancelled, job.expired | `{job_id, status, at, result, error, usage, finish_reason, deployment}` |
 */
export function encodeJobEvent(job: AnsweredJob, entry: LogEntry): string {
  const { kind, payload } = entry
  switch (kind) {
    case 't':
      return event(entry, 'output.delta', `{"text":${JSON.stringify(payload)}}`)
    case 'd':
      return event(entry, 'output.delta', `{"choices":${payload}}`)
    case 'q': {
      const queued = JSON.parse(payload) as QueuedPayload
      return event(entry, 'job.queued', json({ job_id: job.id, class: queued.class, at: queued.at / 1000 }))
    }
    case 's': {
      const started = JSON.parse(payload) as StartedPayload
      return event(
        entry,
        'job.started',
        json({ attempt: countAttempts(entry.attempt), worker: started.worker, at: started.at / 1000 }),
      )
    }
    case 'p':
      return event(entry, 'job.progress', payload)
    case 'r': {
      const { move, reason, delayMs, class: modelClass, at } = JSON.parse(payload) as RequeuedPayload
      return event(entry, 'job.requeued', json({ move, reason, delay_ms: delayMs, class: modelClass, at: at / 1000 }))
    }
    case 'm': {
      const served = JSON.parse(payload) as ServedPayload
      if (served.continued !== true) return ''
      return event(
        entry,
        'output.continued',
        json({ attempt: countAttempts(entry.attempt), deployment: served.deployment }),
      )
    }
    case 'x':
      return event(entry, 'output.reset', '{}')
    default:
      return encodeTerminalEvent(job, entry, statusOfTerminalKind(kind), JSON.parse(payload) as EndPayload)
  }
}

/** The one terminal event, from the log or (the log being gone) from what Postgres kept. */
export function encodeTerminalEvent(
  job: AnsweredJob,
  position: LogPosition,
  status: TerminalStatus,
  end: EndPayload,
): string {
  const data = {
    job_id: job.id,
    status,
    at: end.at / 1000,
    result: presentResult(job, end.result),
    error: end.error ? { code: end.error.code, message: end.error.message, param: end.error.param ?? null } : null,
    usage: end.usage ? toOpenAiUsage(end.usage) : null,
    finish_reason: end.finishReason ?? null,
    deployment: end.deployment ?? null,
  }
  return event(position, `job.${status}`, json(data))
}

function event(position: LogPosition, name: string, data: string): string {
  return `id: ${formatPosition(position)}\nevent: ${name}\ndata: ${data}\n\n`
}

const json = JSON.stringify
