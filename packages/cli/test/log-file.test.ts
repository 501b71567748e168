import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLogFile } from '../src/log-file.ts'

let path = ''
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), 'inferq-log-')), 'log', 'inferq.log')
})
afterEach(() => rmSync(join(path, '..', '..'), { recursive: true }))

describe('a log file', () => {
  it('keeps its lines in order, over restarts, for its owner only', async () => {
    const first = createLogFile(path)
    first.write('1\n')
    first.write('2\n')
    await first.flush()
    first.write('3\n')
    first.close()
    first.write('lost\n')
    const second = createLogFile(path)
    second.write('4\n')
    second.close()
    second.close()
    expect(readFileSync(path, 'utf8')).toBe('1\n2\n3\n4\n')
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('is bounded: it starts over, and keeps the file before', async () => {
    const file = createLogFile(path, 100)
    for (let number = 100; number < 200; number += 1) {
      file.write(`line ${number}\n`)
      if (number % 10 === 9) await file.flush()
    }
    file.close()
    expect(statSync(path).size + statSync(`${path}.1`).size).toBeLessThanOrEqual(400)
    expect(readFileSync(path, 'utf8')).toMatch(/line 199\n$/)
  })
})
