import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  comparePositions,
  createRedisKeys,
  type ErrorCode,
  errorTable,
  formatPosition,
  isTerminal,
  jobMoves,
  jobStatuses,
  nextStatus,
  parsePosition,
  statusOfTerminalKind,
  terminalKinds,
  terminalStatuses,
  toEnvelope,
} from '../src/index.ts'

describe('the job state machine', () => {
  it('has no way out of a terminal state, and a way from every other state to each of them', () => {
    for (const status of jobStatuses) {
      const reachable = new Set(jobMoves.map((move) => nextStatus(status, move)).filter((next) => next !== null))
      if (isTerminal(status)) expect(reachable.size).toBe(0)
      else expect([...reachable]).toEqual(expect.arrayContaining(['failed', 'cancelled', 'expired']))
    }
    expect(nextStatus('queued', 'complete')).toBeNull()
    expect(nextStatus('in_progress', 'complete')).toBe('completed')
  })

  it('has one kind of log entry for each terminal state', () => {
    for (const status of terminalStatuses) expect(statusOfTerminalKind(terminalKinds[status])).toBe(status)
    expect(new Set(Object.values(terminalKinds)).size).toBe(terminalStatuses.length)
  })
})

describe('a position in a token log', () => {
  const position = fc.record({ attempt: fc.nat(999_999_999), seq: fc.nat(999_999_999) })

  it('is read back as it was written', () => {
    fc.assert(
      fc.property(position, (written) => {
        expect(parsePosition(formatPosition(written))).toEqual({ ...written })
      }),
    )
  })

  it('is ordered by attempt, then by seq, as Redis orders its ids', () => {
    fc.assert(
      fc.property(position, position, (a, b) => {
        const expected = Math.sign(a.attempt - b.attempt) || Math.sign(a.seq - b.seq)
        expect(Math.sign(comparePositions(a, b))).toBe(expected)
      }),
    )
  })

  it('is nothing else: whatever a client sends as Last-Event-ID is a position or refused', () => {
    for (const text of ['', '1', '1-', '-1', '1-1-1', ' 1-1', '1-1\n', '1e3-1', '0x1-1', '9999999999-1', '$', '*']) {
      expect(parsePosition(text)).toBeNull()
    }
    fc.assert(fc.property(fc.string(), (text) => parsePosition(text) === null || /^\d+-\d+$/.test(text)))
  })
})

describe('the Redis keys', () => {
  it('give each model class a queue of its own, by a name BullMQ takes', () => {
    const keys = createRedisKeys('ns')
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (a, b) => {
        expect(keys.queueName(a)).not.toMatch(/[:{}]/)
        expect(keys.queueName(a) === keys.queueName(b)).toBe(a === b)
      }),
    )
  })

  it('put what one script touches into one slot', () => {
    const keys = createRedisKeys('ns')
    const tag = (key: string) => /\{([^}]+)\}/.exec(key)?.[1]
    expect(new Set([keys.job('job_1'), keys.log('job_2'), keys.outcomes()].map(tag))).toEqual(new Set(['jobs']))
  })
})

it('every error has a status and a type that an OpenAI SDK knows, and its code in the envelope', () => {
  for (const [code, kind] of Object.entries(errorTable)) {
    expect(kind.status).toBeGreaterThanOrEqual(400)
    expect(kind.status).toBeLessThan(600)
    expect(toEnvelope({ code: code as ErrorCode, message: 'm', param: 'messages[0]' })).toEqual({
      error: { message: 'm', type: kind.type, param: 'messages[0]', code },
    })
  }
})
