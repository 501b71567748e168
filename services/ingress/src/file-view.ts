import { type FileObject, filePurposes } from '@inferq/contracts'
import type { StoredFile } from '@inferq/store'

/** A file as OpenAI's clients know it. */
export function viewOfFile(file: StoredFile): FileObject {
  return {
    id: file.id,
    object: 'file',
    bytes: file.bytes,
    created_at: Math.floor(file.createdAt / 1000),
    ...(file.expiresAt === null ? {} : { expires_at: Math.floor(file.expiresAt / 1000) }),
    filename: file.filename,
    purpose: filePurposes.find((purpose) => purpose === file.purpose) ?? 'user_data',
    status: 'processed',
  }
}

/** A page in OpenAI's form. */
export function pageOf<Item extends { readonly id: string }>(data: readonly Item[], hasMore: boolean): object {
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: hasMore,
  }
}
