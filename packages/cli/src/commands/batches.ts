import { createWriteStream } from 'node:fs'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { BatchObject, FileObject } from '@inferq/contracts'
import { createSystemClock, errorMessage } from '@inferq/runtime'
import { createBatchProgress } from '../batch-progress.ts'
import type { CommandContext } from '../context.ts'
import { CommandError, exitCodes } from '../exit-codes.ts'
import { createIngressClient, type IngressClient } from '../ingress-client.ts'

export interface BatchCommandOptions {
  readonly url?: string
  readonly key?: string
}

const pollMs = 1_000
/** Looks that may fail in a row: an ingress that restarts is no reason to give up. */
const patience = 30
const ended = ['completed', 'failed', 'expired', 'cancelled']

/** Uploads a file of requests and has them run. Says the id; with `wait` how far it is, and how it ended. */
export async function submitBatch(
  file: string,
  options: BatchCommandOptions & { readonly endpoint: string; readonly wait?: boolean },
  context: CommandContext,
): Promise<number> {
  const client = clientOf(options, context)
  const input = await client.upload<FileObject>('/v1/files', file, { purpose: 'batch' })
  const batch = await client.post<BatchObject>('/v1/batches', {
    input_file_id: input.id,
    endpoint: options.endpoint,
    completion_window: '24h',
  })
  context.out(`${batch.id}\n`)
  if (options.wait !== true) return exitCodes.ok
  const last = await waitForEnd(client, batch, context)
  context.err(describeEnd(last))
  return last.status === 'completed' ? exitCodes.ok : exitCodes.notCompleted
}

export async function showBatch(id: string, options: BatchCommandOptions, context: CommandContext): Promise<number> {
  const batch = await clientOf(options, context).get<BatchObject>(pathOf(id))
  context.out(`${JSON.stringify(batch, null, 2)}\n`)
  return exitCodes.ok
}

export async function listBatches(
  options: BatchCommandOptions & { readonly limit: number },
  context: CommandContext,
): Promise<number> {
  const page = await clientOf(options, context).get<{ data: BatchObject[] }>(`/v1/batches?limit=${options.limit}`)
  for (const batch of page.data) {
    const { total, completed, failed } = batch.request_counts
    const counts = `${completed}/${total}${failed === 0 ? '' : `, ${failed} failed`}`
    const createdAt = new Date(batch.created_at * 1000).toISOString()
    context.out(`${batch.id}  ${batch.status.padEnd(11)}  ${createdAt}  ${batch.endpoint}  ${counts}\n`)
  }
  return exitCodes.ok
}

export async function cancelBatch(id: string, options: BatchCommandOptions, context: CommandContext): Promise<number> {
  const batch = await clientOf(options, context).post<BatchObject>(`${pathOf(id)}/cancel`)
  context.out(`${batch.status}\n`)
  return exitCodes.ok
}

export async function downloadBatch(
  id: string,
  options: BatchCommandOptions & { readonly errors?: boolean; readonly output?: string },
  context: CommandContext,
): Promise<number> {
  const client = clientOf(options, context)
  const batch = await client.get<BatchObject>(pathOf(id))
  const fileId = options.errors === true ? batch.error_file_id : batch.output_file_id
  if (fileId === null) {
    const what = options.errors === true ? 'errors' : 'answers'
    const state = ended.includes(batch.status) ? `there are no ${what}` : `its ${what} are there when it has ended`
    throw new CommandError(exitCodes.failed, `${batch.id} is ${batch.status}: ${state}`)
  }
  const content = await client.download(`/v1/files/${encodeURIComponent(fileId)}/content`)
  await pipeline(content, options.output === undefined ? toOut(context) : createNew(options.output))
  return exitCodes.ok
}

async function waitForEnd(client: IngressClient, first: BatchObject, context: CommandContext): Promise<BatchObject> {
  const clock = createSystemClock()
  const progress = createBatchProgress(context)
  let batch = first
  let failures = 0
  try {
    while (!ended.includes(batch.status)) {
      progress.show(batch)
      await clock.sleep(pollMs)
      try {
        batch = await client.get<BatchObject>(pathOf(first.id))
        failures = 0
      } catch (thrown) {
        failures += 1
        if (failures === patience) throw thrown
        if (failures === 1) progress.say(errorMessage(thrown))
      }
    }
    progress.show(batch)
    return batch
  } finally {
    progress.stop()
  }
}

function describeEnd(batch: BatchObject): string {
  const { total, completed, failed } = batch.request_counts
  const lines = [`${batch.id} ${batch.status}: ${completed} of ${total} answered, ${failed} failed`]
  const faults = batch.errors?.data ?? []
  for (const { line, message } of faults.slice(0, 20))
    lines.push(`  ${line === null ? '' : `line ${line}: `}${message}`)
  if (faults.length > 20) lines.push(`  … and more: inferq batches get ${batch.id}`)
  if (batch.output_file_id !== null) lines.push(`→ inferq batches download ${batch.id}`)
  if (batch.error_file_id !== null) lines.push(`→ inferq batches download ${batch.id} --errors`)
  return `${lines.join('\n')}\n`
}

function clientOf({ url, key }: BatchCommandOptions, { variables }: CommandContext): IngressClient {
  return createIngressClient({ url, key, variables })
}

function pathOf(id: string): string {
  return `/v1/batches/${encodeURIComponent(id)}`
}

function toOut(context: CommandContext): Writable {
  const decoder = new TextDecoder()
  return new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      context.out(decoder.decode(chunk, { stream: true }))
      done()
    },
  })
}

function createNew(path: string): Writable {
  return createWriteStream(path, { flags: 'wx', mode: 0o600 })
}
