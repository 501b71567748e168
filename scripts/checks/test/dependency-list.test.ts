import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { findDependencyListFaults } from '../dependency-list.ts'

const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function repositoryWith(list: string): string {
  const root = mkdtempSync(join(tmpdir(), 'inferq-list-'))
  folders.push(root)
  const files = {
    'package.json': '{"devDependencies":{"@biomejs/biome":"1.0.0"}}',
    'packages/queue/package.json': '{"dependencies":{"bullmq":"1.0.0","@inferq/contracts":"workspace:*"}}',
    'docs/dependencies.md': list,
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

test('passes a list with every dependency in order', () => {
  expect(findDependencyListFaults(repositoryWith('- `@biomejs/biome`: lint\n- `bullmq`: queue\n'))).toEqual([])
})

test.each([
  ['a dependency without a reason', '- `@biomejs/biome`: lint\n', 'does not say why there is bullmq'],
  ['a reason without a dependency', '- `@biomejs/biome`: x\n- `bullmq`: x\n- `left-pad`: x\n', 'lists left-pad'],
  ['a list out of order', '- `bullmq`: x\n- `@biomejs/biome`: x\n', 'order at @biomejs/biome'],
])('finds %s', (_name, list, fault) => {
  const faults = findDependencyListFaults(repositoryWith(list))
  expect(faults).toHaveLength(1)
  expect(faults[0]).toContain(fault)
})
