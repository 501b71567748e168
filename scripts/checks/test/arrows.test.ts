import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { findWrongArrows } from '../arrows.ts'

const trees: string[] = []

afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true, force: true })
})

/** A small house that keeps every rule, with `files` planted over it. */
function houseWith(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'inferq-arrows-'))
  trees.push(root)
  const house: Record<string, string> = {
    'packages/cli/package.json': manifest('cli', ['ingress', 'worker', 'simulator']),
    'packages/cli/src/main.ts': "import '@inferq/ingress'\nimport '@inferq/simulator'\nconsole.log(process.env)",
    'services/ingress/package.json': manifest('ingress', ['queue', 'routing', 'contracts']),
    'services/ingress/src/index.ts': "import { q } from '@inferq/queue'\nexport const ingress = q",
    'services/ingress/src/main.ts': "import './index.ts'\nconst { env } = process\nconsole.log(env)",
    'services/worker/package.json': manifest('worker', ['queue']),
    'packages/queue/package.json': manifest('queue', ['contracts'], { bullmq: '1.0.0' }),
    'packages/queue/src/index.ts':
      "import 'bullmq'\nimport type { J } from '@inferq/contracts'\nexport const q = 1 as J",
    'packages/queue/test/queue.test.ts': "import '@inferq/worker'\nimport 'pg'\nconsole.log(process.env)",
    'packages/store/package.json': manifest('store', ['contracts'], { pg: '1.0.0' }),
    'packages/store/src/index.ts': "import 'pg'",
    'packages/runtime/package.json': manifest('runtime', ['contracts']),
    'packages/runtime/src/environment.ts': 'export const environment = process.env',
    'packages/routing/package.json': manifest('routing', ['contracts']),
    'packages/contracts/package.json': manifest('contracts', []),
    'packages/contracts/src/index.ts': "// import '@inferq/queue'\nexport const text = 'process.env'",
    'packages/simulator/package.json': manifest('simulator', ['contracts']),
    ...files,
  }
  for (const [path, text] of Object.entries(house)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

function manifest(name: string, rooms: readonly string[], others: Readonly<Record<string, string>> = {}): string {
  const own = Object.fromEntries(rooms.map((room) => [`@inferq/${room}`, 'workspace:*']))
  return JSON.stringify({ name: `@inferq/${name}`, dependencies: { ...own, ...others } })
}

test('finds nothing in a house that keeps the plan', () => {
  expect(findWrongArrows(houseWith({}))).toEqual([])
})

const planted: readonly (readonly [name: string, path: string, text: string, fault: string])[] = [
  ['a service that imports a service', 'services/worker/src/index.ts', "import '@inferq/ingress'", 'on its own level'],
  ['a package that imports a service', 'packages/queue/src/x.ts', "import '@inferq/worker'", 'above it'],
  ['two packages on one level', 'packages/queue/src/x.ts', "import '@inferq/store'", 'on its own level'],
  ['two pure packages on one level', 'packages/routing/src/x.ts', "import '@inferq/telemetry'", 'on its own level'],
  ['a lower package that imports a higher', 'packages/contracts/src/x.ts', "import '@inferq/config'", 'above it'],
  ['an import of types only', 'packages/queue/src/x.ts', "import type { S } from '@inferq/store'", 'own level'],
  ['a type named by import()', 'packages/queue/src/x.ts', "export type S = import('@inferq/store').S", 'own level'],
  ['a re-export', 'packages/queue/src/x.ts', "export * from '@inferq/store'", 'own level'],
  ['a dynamic import', 'packages/queue/src/x.ts', "await import('@inferq/store')", 'own level'],
  ['a dynamic import by template', 'packages/queue/src/x.ts', 'await import(`@inferq/store`)', 'own level'],
  ['require', 'packages/queue/src/x.cjs', "require('@inferq/store')", 'own level'],
  ['import.meta.resolve', 'packages/queue/src/x.ts', "import.meta.resolve('@inferq/store')", 'own level'],
  ['an import in a subfolder', 'packages/queue/src/a/b/x.ts', "import '@inferq/store'", 'own level'],
  [
    'the inside of another package',
    'packages/queue/src/x.ts',
    "import '@inferq/contracts/src/job.ts'",
    'the inside of',
  ],
  ['a relative way out', 'packages/queue/src/x.ts', "import '../../contracts/src/index.ts'", 'outside its package'],
  ['an absolute path', 'packages/queue/src/x.ts', "import '/srv/x.ts'", 'by absolute path'],
  ['source that imports test code', 'packages/queue/src/x.ts', "import '../test/kit.ts'", 'test code'],
  ['an import of main.ts', 'services/ingress/src/x.ts', "import './main.ts'", 'main.ts is for starting'],
  ['bullmq outside queue', 'services/worker/src/x.ts', "import type { Job } from 'bullmq'", 'only queue may use'],
  ['pg outside store', 'services/ingress/src/x.ts', "import 'pg'", 'only store may use'],
  ['a part of pg outside store', 'services/ingress/src/x.ts', "import 'pg/lib/client.js'", 'only store may use'],
  ['an LLM SDK outside providers', 'services/worker/src/x.ts', "import '@anthropic-ai/sdk'", 'only providers may use'],
  ['a subpath of an LLM SDK', 'services/worker/src/x.ts', "import 'openai/streaming'", 'only providers may use'],
  ['a leaf that imports more than its due', 'packages/simulator/src/x.ts', "import '@inferq/runtime'", 'a leaf'],
  ['a package that imports a leaf', 'packages/queue/src/x.ts', "import '@inferq/simulator'", 'only cli and tests may'],
  ['a package without a place', 'packages/queue/src/x.ts', "import '@inferq/helpers'", 'has no place'],
  ['process.env in a package', 'packages/queue/src/x.ts', 'export const u = process.env.URL', 'reads process.env'],
  ['process.env in a service', 'services/ingress/src/x.ts', "export const u = process['env']", 'reads process.env'],
  ['process.env taken apart', 'packages/queue/src/x.ts', 'const { env } = process', 'reads process.env'],
  ['process.env by way of globalThis', 'packages/queue/src/x.ts', 'globalThis.process.env', 'reads process.env'],
  [
    'env imported from node:process',
    'packages/queue/src/x.ts',
    "import { env } from 'node:process'",
    'reads process.env',
  ],
  [
    'process.env by default import',
    'packages/queue/src/x.ts',
    "import p from 'node:process'\np.env",
    'reads process.env',
  ],
  ['a file that does not parse', 'packages/queue/src/x.ts', 'import {', 'cannot be parsed'],
]

describe('catches in an import', () => {
  test.each(planted)('%s', (_name, path, text, fault) => {
    const faults = findWrongArrows(houseWith({ [path]: text }))
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(new RegExp(`^${path}:\\d+ `))
    expect(faults[0]).toContain(fault)
  })
})

describe('catches in a manifest', () => {
  test.each([
    ['an arrow upwards', 'queue', manifest('queue', ['worker']), 'above it'],
    ['an arrow sideways', 'queue', manifest('queue', ['store']), 'on its own level'],
    ['a module that belongs to another', 'routing', manifest('routing', [], { pg: '1.0.0' }), 'only store may use'],
    ['a name that is not its folder', 'queue', manifest('que', []), 'is named @inferq/que'],
    ['a package without a place', 'helpers', manifest('helpers', []), 'has no place'],
    ['a peer dependency', 'queue', '{"name":"@inferq/queue","peerDependencies":{"@inferq/cli":"*"}}', 'above it'],
  ])('%s', (_name, room, text, fault) => {
    const faults = findWrongArrows(houseWith({ [`packages/${room}/package.json`]: text }))
    expect(faults).toHaveLength(1)
    expect(faults[0]).toContain(`packages/${room}/package.json`)
    expect(faults[0]).toContain(fault)
  })
})

test('leaves the manifest of a test its freedom', () => {
  const text = '{"name":"@inferq/queue","devDependencies":{"@inferq/simulator":"workspace:*"}}'
  expect(findWrongArrows(houseWith({ 'packages/queue/package.json': text }))).toEqual([])
})

test('names the line of the import', () => {
  const text = "\n/* two\nlines */\nimport '@inferq/store'\n"
  const [fault] = findWrongArrows(houseWith({ 'packages/queue/src/x.ts': text }))
  expect(fault).toMatch(/^packages\/queue\/src\/x\.ts:4 /)
})
