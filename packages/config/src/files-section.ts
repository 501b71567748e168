import type { FilesConfig, InferqConfig } from './inferq-config.ts'
import { defined, type Reader } from './reader.ts'
import type { Tree } from './tree.ts'

const acts = [
  ...['type', 'path', 'bucket', 'endpoint', 'region', 'access_key_id', 'secret_access_key'],
  ...['max_file_mb', 'ttl'],
]
const ofS3 = ['bucket', 'endpoint', 'region', 'access_key_id', 'secret_access_key']

/** `files`: where uploaded files and the outputs of batches go, how large one may be, how long it is kept. */
export function readFiles(top: ReadonlyMap<string, Tree>, reader: Reader): Partial<InferqConfig['files']> {
  const files = reader.sectionOf(top, 'files', { acts })
  const megabytes = reader.number(files.get('max_file_mb'), { above: 0, max: 10_240 })
  return defined({
    storage: readStorage(top.get('files'), files, reader),
    maxFileBytes: megabytes === undefined ? undefined : Math.ceil(megabytes * 1024 * 1024),
    ttlSeconds: reader.seconds(files.get('ttl')),
  })
}

function readStorage(
  section: Tree | undefined,
  files: ReadonlyMap<string, Tree>,
  reader: Reader,
): FilesConfig['storage'] | undefined {
  const type = reader.oneOf(files.get('type'), ['local', 's3'])
  const path = reader.text(files.get('path'))
  const bucket = reader.text(files.get('bucket'))
  const region = reader.text(files.get('region'))
  const endpoint = reader.url(files.get('endpoint'))
  const accessKeyId = reader.text(files.get('access_key_id'), { secret: true })
  const secretAccessKey = reader.text(files.get('secret_access_key'), { secret: true })
  if (section === undefined) return undefined
  if (type === 's3') {
    misplaced(['path'], files, 'only with type: local', reader)
    for (const key of ['bucket', 'access_key_id', 'secret_access_key']) {
      if (!files.has(key)) reader.fault(section, `no "${key}"`, 'one, for files of type s3')
    }
    if (!files.has('endpoint') && !files.has('region')) {
      reader.fault(section, 'no "endpoint" and no "region"', 'one of them, for files of type s3')
    }
    if (bucket === undefined || accessKeyId === undefined || secretAccessKey === undefined) return undefined
    const where = region ?? 'auto'
    return {
      ...{ kind: type, bucket, region: where, accessKeyId, secretAccessKey },
      endpoint: endpoint ?? `https://s3.${where}.amazonaws.com`,
    }
  }
  misplaced(ofS3, files, 'only with type: s3', reader)
  return path === undefined ? undefined : { kind: 'local', path }
}

function misplaced(keys: readonly string[], files: ReadonlyMap<string, Tree>, expected: string, reader: Reader): void {
  for (const key of keys) {
    const tree = files.get(key)
    if (tree !== undefined) reader.fault(tree, `"${key}"`, expected)
  }
}
