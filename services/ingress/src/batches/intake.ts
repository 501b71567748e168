import { setImmediate as nextTurn } from 'node:timers/promises'
import { type BatchFault, type ErrorDetail, InferqError, maxBatchLines } from '@inferq/contracts'
import { quietDeployments } from '@inferq/routing'
import type { BatchLease, NewBatchLine, StoredBatch } from '@inferq/store'
import type { IngressCore } from '../dependencies.ts'
import { routeRequestOf } from '../route-request.ts'
import type { Validation } from '../validation.ts'
import { checkLine, type LineContext } from './check-line.ts'
import { type BatchEndpoint, findEndpoint } from './endpoints.ts'
import { readInputLines } from './input-lines.ts'

const maxLineBytes = 10 * 1024 * 1024
/** What is told of a bad file. */
const maxFaults = 100
/** Rows of one statement: by count, and by the bytes of their requests. */
const chunkLines = 500
const chunkBytes = 4 * 1024 * 1024
/** Work in one go; then whoever waits for an answer has a turn. */
const sliceMs = 3

/**
 * Reads the input file of a batch, once, line by line: every request becomes a row, or the batch fails with up to a
 * hundred faults and their lines. Whoever takes over a batch reads it again from the start, which changes nothing.
 * Throws `service_unavailable` when the file or Postgres cannot be reached; the batch goes on later.
 */
export async function takeIn(
  core: IngressCore,
  validation: Validation,
  batch: StoredBatch,
  lease: BatchLease,
  signal: AbortSignal,
): Promise<void> {
  const endpoint = findEndpoint(batch.endpoint)
  const outcome =
    endpoint === undefined
      ? failed('invalid_endpoint', `Batches of '${batch.endpoint}' cannot be run.`)
      : await readAll(core, validation, batch, endpoint, lease, signal)
  const { id } = batch
  switch (outcome.kind) {
    case 'superseded':
      return
    case 'failed': {
      if (await core.store.failBatch(id, lease.holder, outcome.faults)) {
        core.log.info({ batchId: id, faults: outcome.faults.length }, 'batch-failed')
      }
      return
    }
    case 'read': {
      const { total, model } = outcome
      if (await core.store.startBatch(id, lease.holder, { total, model })) {
        core.log.info({ batchId: id, lines: total }, 'batch-started')
      }
      return
    }
    default:
      return outcome satisfies never
  }
}

type Outcome =
  | { readonly kind: 'read'; readonly total: number; readonly model: string | null }
  | { readonly kind: 'failed'; readonly faults: readonly BatchFault[] }
  /** It was cancelled, or somebody else has it. */
  | { readonly kind: 'superseded' }

async function readAll(
  core: IngressCore,
  validation: Validation,
  batch: StoredBatch,
  endpoint: BatchEndpoint,
  lease: BatchLease,
  signal: AbortSignal,
): Promise<Outcome> {
  const faults: BatchFault[] = []
  const models = new Set<string>()
  let total = 0
  let chunk: NewBatchLine[] = []
  let chunkSize = 0
  const flush = async (): Promise<boolean> => {
    if (chunk.length === 0) return true
    const lines = chunk
    chunk = []
    chunkSize = 0
    return core.store.addBatchLines(batch.id, lease, lines)
  }
  const context: LineContext = {
    ...{ batchId: batch.id, endpoint, validation, customIds: new Set<string>() },
    refusal: createRefusal(core, batch, endpoint),
  }

  const source = await core.files.open(batch.inputFileId).catch((thrown: unknown) => {
    if (thrown instanceof InferqError && thrown.code === 'file_not_found') return null
    throw thrown
  })
  if (source === null) return failed('file_not_found', 'The input file is not there any more.')
  let sliceEnd = core.clock.monotonic() + sliceMs
  for await (const lines of readInputLines(source, maxLineBytes)) {
    signal.throwIfAborted()
    for (const input of lines) {
      const checked = checkLine(input, context)
      if (checked.kind === 'fault') faults.push(checked.fault)
      else {
        total += 1
        models.add(checked.line.model)
        chunk.push(checked.line)
        chunkSize += input.kind === 'line' ? input.bytes.length : 0
      }
      if (faults.length === maxFaults) return { kind: 'failed', faults }
      if (total > maxBatchLines) {
        return failed('too_many_requests', `A batch may have at most ${maxBatchLines} requests.`, input.line)
      }
      // The lines of a file with faults are not wanted, only its other faults.
      if (faults.length > 0) chunk = []
      if (chunk.length >= chunkLines || chunkSize >= chunkBytes) {
        if (!(await flush())) return { kind: 'superseded' }
      }
      if (core.clock.monotonic() > sliceEnd) {
        await nextTurn()
        sliceEnd = core.clock.monotonic() + sliceMs
      }
    }
  }
  if (faults.length > 0) return { kind: 'failed', faults }
  if (total === 0) return failed('empty_file', 'The input file holds no requests.')
  if (!(await flush())) return { kind: 'superseded' }
  const [model] = models
  return { kind: 'read', total, model: models.size === 1 && model !== undefined ? model : null }
}

function failed(code: string, message: string, line: number | null = null): Outcome {
  return { kind: 'failed', faults: [{ code, message, param: null, line }] }
}

/** What routing says of a model that nothing serves, or not for this. What it says of a single request comes when it runs. */
function createRefusal(core: IngressCore, batch: StoredBatch, { operation }: BatchEndpoint): LineContext['refusal'] {
  const router = core.router()
  const byModel = new Map<string, ErrorDetail | undefined>()
  // Without rules, requests that name the same model have the same candidates.
  const isSettled = core.config().routing.rules.length === 0
  return (body) => {
    const model = String(body['model'])
    if (isSettled && byModel.has(model)) return byModel.get(model)
    const { owner, caller } = batch
    const asked = routeRequestOf({
      ...{ model, operation, request: body, headers: {}, now: core.clock.now() },
      identity: { owner, admin: false, ...caller },
      metadata: { batch_id: batch.id },
    })
    const decision = router.route(asked, quietDeployments)
    const isOfModel = decision.kind === 'refused' && ['model_not_found', 'invalid_value'].includes(decision.error.code)
    const refusal = isOfModel ? decision.error : undefined
    byModel.set(model, refusal)
    return refusal
  }
}
