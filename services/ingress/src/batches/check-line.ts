import { type BatchFault, type ErrorDetail, InferqError } from '@inferq/contracts'
import type { NewBatchLine } from '@inferq/store'
import type { RequestBody } from '../job-spec.ts'
import { parseJsonBody } from '../json-body.ts'
import type { Validation } from '../validation.ts'
import type { BatchEndpoint, LineJob } from './endpoints.ts'
import { lineJobId } from './ids.ts'
import type { InputLine } from './input-lines.ts'

export interface LineContext {
  readonly batchId: string
  readonly endpoint: BatchEndpoint
  readonly validation: Validation
  /** Those of the lines before; a good line adds its own. */
  readonly customIds: Set<string>
  /** Why no job can be made of a request; undefined: one can. */
  refusal(body: Readonly<Record<string, unknown>>): ErrorDetail | undefined
}

export type CheckedLine =
  | { readonly kind: 'good'; readonly line: NewBatchLine }
  | { readonly kind: 'fault'; readonly fault: BatchFault }

const maxCustomIdLength = 512

/** Whether a line of an input file can become a job, by the rules that hold for the endpoint itself. */
export function checkLine(input: InputLine, context: LineContext): CheckedLine {
  const { line } = input
  const fault = (code: string, message: string, param: string | null = null): CheckedLine => ({
    kind: 'fault',
    fault: { code, message, param, line },
  })
  if (input.kind === 'too_long') return fault('line_too_long', 'This line is too long.')
  const value = parseObject(input.bytes)
  if (value === undefined) return fault('invalid_json_line', 'This line is not parseable as a JSON object.')

  const { custom_id: customId, method, url, body } = value
  if (customId === undefined || customId === null) {
    return fault('missing_required_parameter', "Missing required parameter: 'custom_id'.", 'custom_id')
  }
  if (typeof customId !== 'string' || !isCustomId(customId)) {
    const message = `Invalid value for 'custom_id': must be a text of 1 to ${maxCustomIdLength} characters.`
    return fault('invalid_value', message, 'custom_id')
  }
  if (context.customIds.has(customId)) {
    const message = `The custom_id '${customId.slice(0, 80)}' was used on an earlier line: it must be unique in the file.`
    return fault('duplicate_custom_id', message, 'custom_id')
  }
  if (method !== 'POST') return fault('invalid_method', "Invalid value for 'method': must be 'POST'.", 'method')
  const { endpoint } = context
  if (url !== endpoint.path) {
    return fault(
      'mismatched_url',
      `Invalid value for 'url': must be the endpoint of the batch, '${endpoint.path}'.`,
      'url',
    )
  }
  const read = readBody(body, context)
  if (read.kind === 'fault') return fault(read.detail.code, read.detail.message, read.detail.param ?? 'body')
  context.customIds.add(customId)
  return {
    kind: 'good',
    line: {
      ...{ line, customId, jobId: lineJobId(context.batchId, line), model: String(read.job.request['model']) },
      ...{ operation: endpoint.operation, body: read.job.request },
      ...(read.job.source === undefined ? {} : { source: read.job.source }),
    },
  }
}

type ReadBody =
  | { readonly kind: 'job'; readonly job: LineJob }
  | { readonly kind: 'fault'; readonly detail: ErrorDetail }

function readBody(body: unknown, { endpoint, validation, refusal }: LineContext): ReadBody {
  if (body === undefined) {
    const message = "Missing required parameter: 'body'."
    return { kind: 'fault', detail: { code: 'missing_required_parameter', message, param: 'body' } }
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    const message = "Invalid type for 'body': expected an object."
    return { kind: 'fault', detail: { code: 'invalid_value', message, param: 'body' } }
  }
  const request = { ...body } as RequestBody
  if (request['stream'] === true) {
    const message = "Invalid value for 'body.stream': the answers of a batch are whole; leave it out."
    return { kind: 'fault', detail: { code: 'invalid_value', message, param: 'body.stream' } }
  }
  if (request['model'] === undefined) {
    const message = "Missing required parameter: 'body.model'."
    return { kind: 'fault', detail: { code: 'missing_required_parameter', message, param: 'body.model' } }
  }
  try {
    const job = endpoint.read(request, validation)
    const refused = refusal(job.request)
    return refused === undefined ? { kind: 'job', job } : { kind: 'fault', detail: inBody(refused) }
  } catch (thrown) {
    if (thrown instanceof InferqError) return { kind: 'fault', detail: inBody(thrown.detail) }
    throw thrown
  }
}

/** The fields of a request lie below `body` in its line. */
function inBody(detail: ErrorDetail): ErrorDetail {
  const { param, message } = detail
  if (param === undefined) return { ...detail, param: 'body' }
  return { ...detail, param: `body.${param}`, message: message.replaceAll(`'${param}'`, `'body.${param}'`) }
}

function parseObject(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = parseJsonBody(bytes)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch (thrown) {
    if (thrown instanceof InferqError) return undefined
    throw thrown
  }
}

/** It is kept as text by Postgres, which takes neither NUL nor half characters. */
function isCustomId(text: string): boolean {
  return text.length > 0 && text.length <= maxCustomIdLength && !text.includes('\0') && text.isWellFormed()
}
