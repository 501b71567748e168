import { InferqError } from '@inferq/contracts'
import type { FastifyRequest } from 'fastify'

const header = 'x-inferq-on-disconnect'

/** Whether the job goes on when its client goes away: `finish`; `cancel` is the default. Throws `invalid_value`. */
export function finishesOnDisconnect(request: Pick<FastifyRequest, 'headers'>): boolean {
  const value = request.headers[header]
  if (value === undefined || value === 'cancel') return false
  if (value === 'finish') return true
  const message = `Invalid value for '${header}': must be one of 'finish', 'cancel'.`
  throw new InferqError({ code: 'invalid_value', message, param: header })
}
