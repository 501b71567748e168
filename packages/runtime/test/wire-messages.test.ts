import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Cut, createMessageCutter } from '../src/embedded-postgres/wire-messages.ts'

function typed(type: string, body = ''): Buffer {
  const message = Buffer.from(`${type}\0\0\0\0${body}`)
  message.writeInt32BE(message.length - 1, 1)
  return message
}

function untyped(code: number, body = ''): Buffer {
  const message = Buffer.from(`\0\0\0\0\0\0\0\0${body}`)
  message.writeInt32BE(message.length, 0)
  message.writeInt32BE(code, 4)
  return message
}

const startup = untyped(196_608, 'user\0postgres\0\0')

/** Each cut as one word: its kind, or the types of its messages. */
function describeCuts(cuts: readonly Cut[]): readonly string[] {
  return cuts.map((cut) => {
    if (cut.kind !== 'exchange') return cut.kind
    return (
      cut.messages.map(([first = 0]) => (first === 0 ? 'startup' : String.fromCharCode(first))).join('') +
      (cut.unfinished ? '…' : '')
    )
  })
}

test('cuts a conversation after each message that waits for an answer', () => {
  const sent = [
    untyped(80_877_103),
    startup,
    typed('Q', 'BEGIN\0'),
    typed('P'),
    typed('B'),
    typed('E'),
    typed('S'),
    typed('P'),
    typed('H'),
    typed('X'),
  ]
  expect(describeCuts(createMessageCutter().add(Buffer.concat(sent)))).toEqual([
    'refuse-encryption',
    'startup',
    'Q',
    'PBES',
    'PH…',
    'end',
  ])
})

test('gives the same messages however the bytes arrive', () => {
  const bodies = fc.array(fc.tuple(fc.constantFrom('P', 'B', 'E', 'S', 'Q'), fc.string({ maxLength: 300 })), {
    maxLength: 20,
  })
  fc.assert(
    fc.property(bodies, fc.infiniteStream(fc.integer({ min: 1, max: 64 })), (messages, sizes) => {
      const all = Buffer.concat([startup, ...messages.map(([type, body]) => typed(type, body)), typed('S')])
      const piecewise = createMessageCutter()
      const cuts: Cut[] = []
      for (let at = 0; at < all.length; ) {
        const size = sizes.next().value
        cuts.push(...piecewise.add(all.subarray(at, at + size)))
        at += size
      }
      expect(cuts).toEqual(createMessageCutter().add(all))
    }),
    { numRuns: 100 },
  )
})

test('ends a connection that speaks something else or asks to cancel', () => {
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), untyped(80_877_102, '12345678'), Buffer.alloc(16)]) {
    expect(describeCuts(createMessageCutter().add(bytes))).toEqual(['end'])
  }
  const started = createMessageCutter()
  started.add(startup)
  expect(describeCuts(started.add(Buffer.from('Q\xff\xff\xff\xff', 'latin1')))).toEqual(['end'])
})
