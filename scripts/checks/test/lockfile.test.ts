import { expect, test } from 'vitest'
import { findLockFaults } from '../lockfile.ts'

function lockWith(binaries: readonly string[], extra = ''): string {
  const packages = binaries.map((name) => {
    const [os, cpu] = name.split('-')
    return `  '@tool/${name}@1.0.0':\n    resolution: {integrity: sha512-x}\n    cpu: [${cpu}]\n    os: [${os}]\n`
  })
  const optional = binaries.map((name) => `      '@tool/${name}': 1.0.0\n`)
  return `packages:\n${packages.join('')}${extra}\nsnapshots:\n  tool@1.0.0:\n    optionalDependencies:\n${optional.join('')}`
}

const everywhere = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64']

test('passes a tool that is locked for every platform', () => {
  expect(findLockFaults(lockWith(everywhere))).toEqual([])
})

test.each(everywhere)('misses %s when it is left out', (left) => {
  const faults = findLockFaults(lockWith(everywhere.filter((platform) => platform !== left)))
  expect(faults).toEqual([`pnpm-lock.yaml tool@1.0.0 has no package for ${left}`])
})

test('leaves a package for one platform alone', () => {
  expect(findLockFaults(lockWith(['darwin-arm64']))).toEqual([])
})

test.each([
  ['a registry', "  a@1: {resolution: {tarball: 'https://registry.example/a.tgz'}}"],
  ['a folder', "  a@1: {resolution: 'file:/home/someone/a'}"],
])('finds %s of one machine', (_name, line) => {
  expect(findLockFaults(lockWith(everywhere, line))).toHaveLength(1)
})
