import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { expect, test } from 'vitest'
import { parseInstallPlan } from '../src/embedded-redis/fetch-debian.ts'
import { findRedisServer } from '../src/embedded-redis/find-server.ts'
import { closeRedis, createRedis, startEmbeddedRedis, whenRedisReady } from '../src/index.ts'
import { collectLog, temporaryDir } from './support.ts'

/** A folder for PATH with these programs in it, each a shell script, and the few tools that scripts need. */
function makeBin(scripts: Readonly<Record<string, string>>): string {
  const bin = join(temporaryDir(), 'bin')
  mkdirSync(bin)
  for (const tool of ['cp', 'mkdir', 'cat']) symlinkSync(`/bin/${tool}`, join(bin, tool))
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  return bin
}

const redisSaying = (version: string): string => `echo "Redis server v=${version} sha=00000000:0 malloc=jemalloc"`

function find(bin: string, cacheDir = temporaryDir()) {
  return findRedisServer({ cacheDir, env: { PATH: bin }, log: collectLog() })
}

test('takes the first server in PATH that is new enough', async () => {
  const old = makeBin({ 'redis-server': redisSaying('6.0.16') })
  const fresh = makeBin({ 'valkey-server': 'echo "Valkey server v=8.1.3 sha=0"' })
  expect(await find(`${old}${delimiter}${fresh}`)).toEqual({
    path: join(fresh, 'valkey-server'),
    version: '8.1.3',
    env: {},
  })
})

test('without any, and without tools to fetch one, says what was tried and names REDIS_URL', async () => {
  const bin = makeBin({ 'redis-server': redisSaying('6.0.16'), 'valkey-server': 'echo broken >&2; exit 1' })
  await expect(find(bin)).rejects.toMatchObject({
    code: 'redis_binary_missing',
    message: expect.stringContaining('Set REDIS_URL'),
  })
  await expect(find(bin)).rejects.toThrow(/6\.0\.16, older than 7.*does not run: broken.*no apt-get/s)
})

/** An apt-get that plans, updates and "downloads", writing down how it was called; and a dpkg-deb that unpacks a server. */
function makeDebian(
  calls: string,
  options: { readonly listsMissing?: boolean; readonly broken?: boolean } = {},
): string {
  const server = options.broken
    ? 'echo "libgone.so.1: cannot open shared object file" >&2; exit 127'
    : redisSaying('7.0.15')
  return makeBin({
    'apt-get': `
echo "$@" >> ${calls}
case "$1" in
  update) exit 0 ;;
  install)
    ${options.listsMissing ? 'case "$*" in *Dir::State::Lists*) ;; *) echo "E: Unable to locate package" >&2; exit 100 ;; esac' : ''}
    case "$*" in *redis-server) ;; *) exit 100 ;; esac
    echo "Reading package lists..."
    echo "Inst liblzf1 (3.6-3 Debian:12.15/oldstable [amd64])"
    echo "Inst redis-server (5:7.0.15-1~deb12u10 Debian-Security:12 [amd64])"
    echo "Conf redis-server (5:7.0.15-1~deb12u10 Debian-Security:12 [amd64])" ;;
  download) echo archive > redis-server_7.deb; echo archive > liblzf1_3.deb ;;
esac`,
    'dpkg-deb': `
[ "$1" = -x ] || exit 0
mkdir -p "$3/usr/bin" "$3/usr/lib/somewhere"
echo > "$3/usr/lib/somewhere/liblzf.so.1"
cat > "$3/usr/bin/redis-server" <<'END'
#!/bin/sh
${server}
END
/bin/chmod 755 "$3/usr/bin/redis-server"`,
  })
}

test('on Debian fetches the packages that APT says are missing, with their libraries, and keeps them for the next time', async () => {
  const calls = join(temporaryDir(), 'calls')
  const cacheDir = temporaryDir()
  const bin = makeDebian(calls)
  const expected = {
    path: join(cacheDir, 'redis/usr/bin/redis-server'),
    version: '7.0.15',
    env: { LD_LIBRARY_PATH: join(cacheDir, 'redis/usr/lib/somewhere') },
  }
  expect(await find(bin, cacheDir)).toEqual(expected)
  const called = readFileSync(calls, 'utf8')
  expect(called).toMatch(/^install --simulate .*--reinstall redis-tools redis-server$/m)
  expect(called).toMatch(/^download .*liblzf1 redis-server$/m)
  expect(called).not.toMatch(/^update/m)
  expect(await find(bin, cacheDir)).toEqual(expected)
  expect(readFileSync(calls, 'utf8')).toBe(called)
})

test('where the package lists were removed, fetches lists of its own', async () => {
  const calls = join(temporaryDir(), 'calls')
  const found = await find(makeDebian(calls, { listsMissing: true }))
  expect(found.version).toBe('7.0.15')
  expect(readFileSync(calls, 'utf8')).toMatch(/^update .*Dir::State::Lists=/m)
})

test('a fetched server that does not run is not kept, and the reason is told', async () => {
  const bin = makeDebian(join(temporaryDir(), 'calls'), { broken: true })
  await expect(find(bin)).rejects.toThrow(/redis-server from liblzf1, redis-server does not run: libgone\.so\.1/)
})

test('reads the packages from what apt-get would install', () => {
  const plan =
    'Reading...\nInst libjemalloc2 (5.3.0-1 Debian:12 [amd64])\nInst libc6:i386 [2.35] (2.36 Debian)\nConf libjemalloc2 (5.3.0-1)\n'
  expect(parseInstallPlan(plan)).toEqual(['libjemalloc2', 'libc6:i386'])
})

/** Needs Debian and its mirrors: INFERQ_TEST_NETWORK=1. The system's package state is shown to APT without any Redis. */
test.runIf(process.env['INFERQ_TEST_NETWORK']).each(['/var/lib/apt/lists', '/nowhere'])(
  'a server fetched for real, with the package lists in %s, runs and stores',
  async (lists) => {
    const dir = temporaryDir()
    const status = join(dir, 'status')
    const stanzas = readFileSync('/var/lib/dpkg/status', 'utf8').split('\n\n')
    writeFileSync(
      status,
      stanzas.filter((stanza) => !/^Package: (redis|liblzf|libjemalloc)/m.test(stanza)).join('\n\n'),
    )
    const ownLists = `case "$*" in *Dir::State::Lists*) ;; *) set -- "$@" -o Dir::State::Lists=${lists} ;; esac`
    const bin = makeBin({ 'apt-get': `${ownLists}; exec /usr/bin/apt-get "$@" -o Dir::State::status=${status}` })
    const tools = readdirSync('/usr/bin').filter((tool) => !/^(redis|valkey|apt-get|cp$|mkdir$|cat$)/.test(tool))
    for (const tool of tools) symlinkSync(`/usr/bin/${tool}`, join(bin, tool))

    const log = collectLog()
    const startedAt = performance.now()
    const embedded = await startEmbeddedRedis({ dataDir: join(dir, 'redis'), env: { ...process.env, PATH: bin }, log })
    console.log(`fetched and started in ${Math.round(performance.now() - startedAt)} ms`)
    try {
      const redis = createRedis({ url: embedded.url, role: 'command', log })
      await whenRedisReady(redis, { timeoutMs: 30_000 })
      expect(await redis.set('a', '1')).toBe('OK')
      await closeRedis(redis)
    } finally {
      await embedded.stop()
    }
  },
  120_000,
)
