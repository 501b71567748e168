import { errorTable, toEnvelope } from '@inferq/contracts'
import type { BatchLease, EndedLine, StoredBatch } from '@inferq/store'
import type { IngressCore } from '../dependencies.ts'
import { findEndpoint } from './endpoints.ts'
import { expiryOf } from './expiry.ts'
import { lineRequestId, outputFileId } from './ids.ts'

/** Results of one page are in memory at once. */
const pageLines = 50

/**
 * Writes the output files of a batch whose lines have all ended: answers into one, everything else into the other, each in
 * the order of the input. Then the lines are forgotten. Done again after a crash, it writes the same files.
 */
export async function putOut(
  core: IngressCore,
  batch: StoredBatch,
  lease: BatchLease,
  signal: AbortSignal,
): Promise<void> {
  const { store, log } = core
  const outputId = await writeFile(core, batch, 'output', lease, signal)
  const errorId = await writeFile(core, batch, 'error', lease, signal)
  await store.finishBatch(batch.id, { outputFileId: outputId, errorFileId: errorId })
  log.info({ batchId: batch.id, counts: batch.counts }, 'batch-ended')
}

/** Gives the id of the file; null when nothing belongs into it. */
async function writeFile(
  core: IngressCore,
  batch: StoredBatch,
  kind: 'output' | 'error',
  lease: BatchLease,
  signal: AbortSignal,
): Promise<string | null> {
  const { store, files, clock } = core
  const completed = kind === 'output'
  const readPage = (after: number): Promise<readonly EndedLine[]> =>
    store.readEndedLines(batch.id, { completed, after, limit: pageLines })
  const first = await readPage(0)
  if (first.length === 0) return null

  async function* texts(): AsyncGenerator<Buffer, void> {
    let page = first
    while (page.length > 0) {
      signal.throwIfAborted()
      if (!(await store.renewBatch(batch.id, lease))) throw new Error('the batch was taken over')
      yield Buffer.from(page.map((line) => `${JSON.stringify(outputLine(batch, line))}\n`).join(''))
      page = await readPage(page.at(-1)?.line ?? Number.MAX_SAFE_INTEGER)
    }
  }

  const id = outputFileId(batch.id, kind)
  const createdAt = clock.now()
  await store.insertFile({ id, owner: batch.owner, createdAt })
  const { bytes } = await files.put(id, texts(), { maxBytes: Number.MAX_SAFE_INTEGER })
  const facts = { purpose: 'batch_output', createdAt, expiresAfterSeconds: batch.outputExpiresSeconds }
  await store.completeFile({
    ...{ id, purpose: 'batch_output', filename: `${batch.id}_${kind}.jsonl`, bytes },
    expiresAt: expiryOf(facts, core.config().files.ttlSeconds),
  })
  return id
}

/** A line of an output file, as OpenAI's are. */
function outputLine(batch: StoredBatch, ended: EndedLine): object {
  const { line, customId, jobId, status } = ended
  const id = lineRequestId(batch.id, line)
  const response = (statusCode: number, body: unknown): object => ({
    id,
    custom_id: customId,
    response: { status_code: statusCode, request_id: jobId, body },
    error: null,
  })
  switch (status) {
    case 'completed':
      return response(200, findEndpoint(batch.endpoint)?.present(ended))
    case 'failed': {
      const error = ended.error ?? { code: 'internal_error' as const, message: 'The request failed.' }
      return response(errorTable[error.code].status, toEnvelope(error))
    }
    case 'expired': {
      const message = 'This request could not be executed before the completion window expired.'
      return { id, custom_id: customId, response: null, error: { code: 'batch_expired', message } }
    }
    case 'cancelled': {
      const message = 'This request was not executed: it was cancelled.'
      return { id, custom_id: customId, response: null, error: { code: 'batch_cancelled', message } }
    }
    default:
      return status satisfies never
  }
}
