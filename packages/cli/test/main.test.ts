import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const checkout = join(main, '../../../..')

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'inferq-main-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

function sayVersion(variables: Record<string, string>) {
  const { PATH = '' } = process.env
  const args = ['--disable-warning=ExperimentalWarning', main, '--version']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { env: { PATH, ...variables }, cwd: directory })
  return { status, out: String(stdout), err: String(stderr) }
}

describe('the compiled modules of a start', () => {
  it('are kept in the checkout, wherever the command is run', () => {
    const { out, err } = sayVersion({ NODE_DEBUG_NATIVE: 'COMPILE_CACHE' })
    const place = join(checkout, 'node_modules/.cache/compile')
    // Node tells of its compile cache on standard output.
    const lines = `${out}${err}`.split('\n').filter((line) => line.includes('packages/cli/src/program.ts'))
    expect(lines.some((line) => line.includes(`reading cache from ${place}`))).toBe(true)
    expect(readdirSync(directory)).toEqual([])
  })

  it('are kept where NODE_COMPILE_CACHE says', () => {
    const place = join(directory, 'compiled')
    expect(sayVersion({ NODE_COMPILE_CACHE: place })).toEqual({ status: 0, out: '0.1.0\n', err: '' })
    expect(readdirSync(place, { recursive: true }).length).toBeGreaterThan(10)
  })

  it('are done without where they cannot be kept', () => {
    const nowhere = { NODE_COMPILE_CACHE: '/dev/null/compiled' }
    expect(sayVersion(nowhere)).toEqual({ status: 0, out: '0.1.0\n', err: '' })
  })
})
