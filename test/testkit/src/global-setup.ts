import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSilentLog, startEmbeddedRedis } from '@inferq/runtime'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    redisUrl: string
  }
}

/** One Redis for the whole run; every test takes a namespace of its own on it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'inferq-test-'))
  const cacheDir = join(import.meta.dirname, '../../../.inferq/cache')
  const redis = await startEmbeddedRedis({ dataDir: join(dataDir, 'redis'), cacheDir, log: createSilentLog() })
  project.provide('redisUrl', redis.url)
  return async () => {
    await redis.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}
