import { type ErrorCode, type ErrorDetail, errorTable, InferqError, toEnvelope } from '@inferq/contracts'
import type { Logger } from '@inferq/telemetry'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { anthropicStatus, toAnthropicError } from '../anthropic/errors.ts'
import { speaksAnthropic } from '../anthropic/speaks-anthropic.ts'
import { toDetail } from '../submit.ts'

/** Every failure of a request ends here: one envelope, one table of codes. */
export function registerErrors(app: FastifyInstance, log: Logger): void {
  app.setErrorHandler((thrown, request, reply) => {
    const detail = detailOf(thrown)
    if (errorTable[detail.code].status >= 500 && !(thrown instanceof InferqError)) {
      log.error({ requestId: request.id, route: request.routeOptions.url, error: thrown }, 'request-failed')
    }
    return sendError(request, reply, detail)
  })
  const allowedMethods = collectRoutes(app)
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? ''
    const allowed = allowedMethods(path)
    if (allowed.length === 0) {
      const message = `Unknown request URL: ${request.method} ${path.slice(0, 200)}.`
      return sendError(request, reply, { code: 'route_not_found', message })
    }
    const message = `${request.method} is not allowed here; allowed: ${allowed.join(', ')}.`
    return sendError(request, reply.header('allow', allowed.join(', ')), { code: 'method_not_allowed', message })
  })
}

function sendError(request: FastifyRequest, reply: FastifyReply, detail: ErrorDetail): FastifyReply {
  request.facts.errorCode = detail.code
  if (request.facts.jobHeaders !== undefined) reply.headers(request.facts.jobHeaders)
  const { status } = errorTable[detail.code]
  const forAnthropic = speaksAnthropic(request)
  if (forAnthropic) reply.header('request-id', request.id)
  reply.code(forAnthropic ? anthropicStatus(detail.code) : status).type('application/json; charset=utf-8')
  const retryAfterSeconds = detail.retryAfterSeconds ?? (status === 429 || status === 503 ? 1 : undefined)
  if (retryAfterSeconds !== undefined) reply.header('retry-after', Math.ceil(retryAfterSeconds))
  if (status === 401) reply.header('www-authenticate', 'Bearer')
  return reply.send(JSON.stringify(forAnthropic ? toAnthropicError(detail, request.id) : toEnvelope(detail)))
}

const codeOfFastify: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_EMPTY_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_json',
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
}

const messages: Partial<Record<ErrorCode, string>> = {
  invalid_json: 'The body of the request is not valid JSON.',
  payload_too_large: 'The body of the request is too large.',
  unsupported_media_type: 'Unsupported content type: send `application/json`.',
}

function detailOf(thrown: unknown): ErrorDetail {
  if (thrown instanceof InferqError) return thrown.detail
  if (!(thrown instanceof Error)) return toDetail(thrown)
  const { code, statusCode } = thrown as Partial<FastifyError>
  const known =
    codeOfFastify[code ?? ''] ?? (thrown instanceof SyntaxError && statusCode === 400 ? 'invalid_json' : undefined)
  if (known !== undefined) return { code: known, message: messages[known] ?? thrown.message }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return { code: 'invalid_value', message: 'The request could not be read.' }
  }
  return toDetail(thrown)
}

/** Tells which methods a path has, for those that met none. Patterns are only made when the first such request comes. */
function collectRoutes(app: FastifyInstance): (path: string) => readonly string[] {
  const routes: { readonly url: string; readonly methods: readonly string[] }[] = []
  let patterns: readonly { readonly pattern: RegExp; readonly methods: readonly string[] }[] | undefined
  app.addHook('onRoute', ({ url, method }) => {
    routes.push({ url, methods: typeof method === 'string' ? [method] : method })
  })
  return (path) => {
    patterns ??= routes.map(({ url, methods }) => ({ pattern: toPattern(url), methods }))
    return [...new Set(patterns.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods))]
  }
}

function toPattern(url: string): RegExp {
  const source = url
    .split('/')
    .map((part) => (/^:(?!:)/.test(part) ? '[^/]+' : literal(part)))
    .join('/')
  return new RegExp(`^${source}/?$`)
}

/** Two colons stand for one. */
function literal(part: string): string {
  return part
    .replaceAll('::', ':')
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
}
