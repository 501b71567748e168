export { createFileStore } from './create-file-store.ts'
export type { ByteRange, FileStore, StoredBytes } from './port.ts'
