import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readDevKey } from '../src/dev-key.ts'

let dataDir = ''
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'inferq-key-'))
})
afterEach(() => rmSync(dataDir, { recursive: true }))

describe('the development key', () => {
  it('is made once and kept, readable by its owner alone', () => {
    const key = readDevKey(dataDir)
    expect(key).toMatch(/^sk-inferq-dev-[0-9a-f]{32}$/)
    expect(readDevKey(dataDir)).toBe(key)
    expect(readFileSync(join(dataDir, 'key'), 'utf8')).toBe(`${key}\n`)
    expect(statSync(join(dataDir, 'key')).mode & 0o777).toBe(0o600)
    expect(readdirSync(dataDir)).toEqual(['key'])
  })

  it('closes a file that others could read', () => {
    const key = readDevKey(dataDir)
    chmodSync(join(dataDir, 'key'), 0o644)
    expect(readDevKey(dataDir)).toBe(key)
    expect(statSync(join(dataDir, 'key')).mode & 0o777).toBe(0o600)
  })

  it('replaces a file that holds none', () => {
    writeFileSync(join(dataDir, 'key'), 'sk-inferq-dev-\n')
    expect(readDevKey(dataDir)).toMatch(/^sk-inferq-dev-[0-9a-f]{32}$/)
  })

  it('differs between data directories', () => {
    expect(readDevKey(join(dataDir, 'a'))).not.toBe(readDevKey(join(dataDir, 'b')))
  })
})
