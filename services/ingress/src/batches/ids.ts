import { createId } from '@inferq/runtime'

/** `file-…`, as OpenAI's look. */
export function createFileId(): string {
  return `file-${createId('file').slice('file_'.length)}`
}

/** A line is one job, whoever submits it and however often. */
export function lineJobId(batchId: string, line: number): string {
  return `job_${suffixOf(batchId)}b${line}`
}

/** Output files are written again from the start by whoever takes over: under the same ids. */
export function outputFileId(batchId: string, kind: 'output' | 'error'): string {
  return `file-${suffixOf(batchId)}${kind}`
}

/** What an output line calls itself. */
export function lineRequestId(batchId: string, line: number): string {
  return `batch_req_${suffixOf(batchId)}b${line}`
}

function suffixOf(batchId: string): string {
  return batchId.slice(batchId.indexOf('_') + 1)
}
