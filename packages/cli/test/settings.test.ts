import { describe, expect, it } from 'vitest'
import { CommandError } from '../src/exit-codes.ts'
import { ingressOptionsOf, isLoopback, readSettings, requireDatabaseUrl, requireRedisUrl } from '../src/settings.ts'

function failure(run: () => unknown): CommandError {
  try {
    run()
  } catch (thrown) {
    if (thrown instanceof CommandError) return thrown
    throw thrown
  }
  throw new Error('nothing was thrown')
}

describe('settings', () => {
  it('have defaults for everything', () => {
    expect(readSettings({})).toEqual({
      redisUrl: undefined,
      databaseUrl: undefined,
      dataDir: '.inferq',
      host: '127.0.0.1',
      port: 4000,
      publicUrl: undefined,
      stopDelaySeconds: 5,
      stopTimeoutSeconds: 30,
      trustProxy: false,
      configFile: undefined,
      namespace: undefined,
      logLevel: 'info',
    })
  })

  it('take the first of the names for a configuration file', () => {
    expect(readSettings({ CONFIG_FILE_PATH: 'b', LITELLM_CONFIG_PATH: 'c' }).configFile).toBe('b')
    expect(readSettings({ INFERQ_CONFIG: 'a', CONFIG_FILE_PATH: 'b' }).configFile).toBe('a')
  })

  it('name every variable that is wrong, without its value where that is a secret', () => {
    const { message, exitCode } = failure(() =>
      readSettings({ PORT: 'x', REDIS_URL: 'hidden://u:hidden@h', LOG_LEVEL: 'loud' }),
    )
    expect(exitCode).toBe(3)
    expect(message).toMatch(/PORT: found "x", expected a whole number from 0 to 65535/)
    expect(message).toMatch(/REDIS_URL: .*redis:\/\//)
    expect(message).toMatch(/LOG_LEVEL: found "loud"/)
    expect(message).not.toContain('hidden')
  })

  it('say how the ingress is reached from outside', () => {
    const settings = readSettings({ INFERQ_PUBLIC_URL: 'https://Queue.example:8443/llm//', INFERQ_TRUST_PROXY: 'yes' })
    expect(ingressOptionsOf(settings)).toEqual({ publicUrl: 'https://queue.example:8443/llm', trustProxy: true })
    expect(ingressOptionsOf(readSettings({ INFERQ_PUBLIC_URL: 'http://a/' })).publicUrl).toBe('http://a')
    expect(ingressOptionsOf(readSettings({}))).toEqual({ trustProxy: false })
    for (const wrong of ['queue.example', 'ftp://a', 'https://u:hidden@a', 'https://a/?b', 'https://a/#b']) {
      const { message, exitCode } = failure(() => readSettings({ INFERQ_PUBLIC_URL: wrong }))
      expect([wrong, exitCode]).toEqual([wrong, 3])
      expect(message).toContain('INFERQ_PUBLIC_URL')
      expect(message).not.toContain('hidden')
    }
    expect(failure(() => readSettings({ INFERQ_TRUST_PROXY: 'maybe' })).message).toContain('INFERQ_TRUST_PROXY')
  })

  it('say what to do when a server is needed and not named', () => {
    const settings = readSettings({})
    expect(failure(() => requireRedisUrl(settings)).mend).toContain('REDIS_URL=redis://')
    expect(failure(() => requireDatabaseUrl(settings, undefined)).mend).toContain('inferq up')
    expect(requireDatabaseUrl(settings, 'postgres://from-file')).toBe('postgres://from-file')
  })
})

describe('a loopback address', () => {
  it.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('is %s', (host) => expect(isLoopback(host)).toBe(true))
  it.each(['0.0.0.0', '::', '10.0.0.1', 'example.com', '127.evil.com'])('is not %s', (host) =>
    expect(isLoopback(host)).toBe(false),
  )
})
