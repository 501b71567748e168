import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { stampFor } from '../toolchain.mjs'

const scripts = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const folders: string[] = []
const running: { readonly child: ChildProcess; readonly closed: Promise<unknown> }[] = []

afterEach(async () => {
  // Closed, not only ended: the program below writes to the folder until its end of the pipes is shut too.
  for (const { child, closed } of running.splice(0)) {
    child.kill('SIGKILL')
    await closed
  }
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A checkout with the real boot scripts, a toolchain that is up to date, and a pnpm that notes its calls and waits while there is a file `hold`. */
function checkout(program: string): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'inferq-boot-')))
  folders.push(root)
  for (const name of ['boot.mjs', 'boot', 'toolchain']) {
    cpSync(join(scripts, name), join(root, 'scripts', name), { recursive: true })
  }
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  write('package.json', '{"type":"module"}')
  write('pnpm-lock.yaml', 'lockfileVersion: 9')
  write('pnpm-workspace.yaml', 'packages: []')
  write('packages/cli/src/main.ts', program)
  write(
    '.toolchain/node_modules/pnpm/bin/pnpm.mjs',
    `import { appendFileSync, existsSync, mkdirSync } from 'node:fs'
     mkdirSync('node_modules', { recursive: true })
     appendFileSync('pnpm-calls', process.argv.slice(2).join(' ') + '\\n')
     while (existsSync('hold')) await new Promise((resolve) => setTimeout(resolve, 5))`,
  )
  mkdirSync(join(root, '.toolchain/bin'))
  symlinkSync(process.execPath, join(root, '.toolchain/bin/node'))
  write('.toolchain/stamp', stampFor('bundled'))
  return root
}

/** `asOldNode`: without process.execve, which is what Node 20 is to the boot script. */
function boot(root: string, args: readonly string[], { asOldNode = false, environment = {} } = {}) {
  const flags = asOldNode ? ['--import', 'data:text/javascript,delete process.execve'] : []
  const child = spawn(process.execPath, [...flags, join(root, 'scripts/boot.mjs'), ...args], {
    cwd: root,
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk))
  const exit = once(child, 'exit')
  const closed = once(child, 'close')
  running.push({ child, closed })
  const printed = async (text: string): Promise<void> => {
    while (!output.includes(text)) {
      if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode} and without "${text}":\n${output}`)
      await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), closed])
    }
  }
  return { child, exit, closed, printed, output: () => output }
}

function pnpmCalls(root: string): number {
  const file = join(root, 'pnpm-calls')
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').length : 0
}

const waits = `
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { console.log('got ' + signal); process.exit(7) })
  setInterval(() => {}, 1000)
  console.log('up')`

describe.each([
  ['on a new Node', false],
  ['on an old Node', true],
])('%s', (_name, asOldNode) => {
  test.each(['SIGINT', 'SIGTERM'] as const)('passes %s on and ends with the code of the program', async (signal) => {
    const started = boot(checkout(waits), ['start'], { asOldNode })
    await started.printed('up')
    started.child.kill(signal)
    await started.printed(`got ${signal}`)
    expect(await started.exit).toEqual([7, null])
  })

  test('keeps npm’s settings from the program, except the way to the registry', async () => {
    const root = checkout('console.log(Object.keys(process.env).filter((name) => /npm/.test(name)).sort().join())')
    const environment = {
      npm_config_registry: 'http://127.0.0.1:1',
      npm_config_node_linker: 'hoisted',
      npm_lifecycle_event: 'x',
    }
    const started = boot(root, ['start'], { asOldNode, environment })
    await started.closed
    expect(started.output()).toContain('\nnpm_config_registry,pnpm_config_registry\n')
  })
})

test('ends the program when it is killed outright itself', async () => {
  const started = boot(checkout(waits), ['start'], { asOldNode: true })
  await started.printed('up')
  started.child.kill('SIGKILL')
  await started.printed('got SIGTERM')
  await started.closed
})

test('installs once, and again when a manifest changes', async () => {
  const root = checkout('')
  await boot(root, ['install']).exit
  await boot(root, ['install']).exit
  expect(pnpmCalls(root)).toBe(1)
  writeFileSync(join(root, 'package.json'), '{"type":"module","version":"2"}')
  await boot(root, ['install']).exit
  expect(pnpmCalls(root)).toBe(2)
})

test('installs once when started twice at the same time', async () => {
  const root = checkout('')
  writeFileSync(join(root, 'hold'), '')
  const first = boot(root, ['install'])
  await first.printed('installing dependencies')
  const second = boot(root, ['install'])
  await second.printed('waiting for another start')
  rmSync(join(root, 'hold'))
  expect([await first.exit, await second.exit]).toEqual([
    [0, null],
    [0, null],
  ])
  expect(pnpmCalls(root)).toBe(1)
})

test('takes over the lock of a start that died', async () => {
  const root = checkout('')
  const dead = spawn(process.execPath, ['-e', ''])
  await once(dead, 'exit')
  writeFileSync(join(root, '.toolchain.lock'), String(dead.pid))
  expect(await boot(root, ['install']).exit).toEqual([0, null])
  expect(existsSync(join(root, '.toolchain.lock'))).toBe(false)
})

test('names the commands it knows when given another', async () => {
  const root = checkout('')
  const started = boot(root, ['strat'])
  expect(await started.closed).toEqual([1, null])
  expect(started.output()).toContain(
    'unknown command "strat"; one of start, inferq, test, check, bench, chaos, exec, install',
  )
})
