import type { FilesConfig } from '@inferq/config'
import { createLocalFiles } from './local-files.ts'
import type { FileStore } from './port.ts'

/**
 * The storage that a configuration names. `directory` is where files go when they go to the disk and the configuration
 * does not say where. The client of S3 is loaded by its first use.
 */
export function createFileStore(storage: FilesConfig['storage'], directory: string): FileStore {
  switch (storage.kind) {
    case 'local':
      return createLocalFiles(storage.path ?? directory)
    case 's3': {
      let loaded: Promise<FileStore> | undefined
      const load = (): Promise<FileStore> => {
        loaded ??= import('./s3-files.ts').then(({ createS3Files }) => createS3Files(storage))
        return loaded
      }
      return {
        put: async (...args) => (await load()).put(...args),
        open: async (...args) => (await load()).open(...args),
        remove: async (...args) => (await load()).remove(...args),
      }
    }
    default:
      return storage satisfies never
  }
}
