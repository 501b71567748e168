import { randomFillSync } from 'node:crypto'

/** Crockford's base 32 in lower case: no i, l, o, u; sorts as the numbers do. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
const randomBytesPerId = 10
const poolBytes = randomBytesPerId * 512

export interface IdSource {
  /** Milliseconds since the Unix epoch. Default: the machine's clock. */
  readonly now?: () => number
  /** Fills the buffer with unpredictable bytes. Default: node:crypto. */
  readonly fill?: (buffer: Uint8Array) => void
}

/**
 * Makes a maker of ids: `<prefix>_` and 26 characters 0-9a-z, of which 10 are the time in milliseconds and 16 are 80
 * random bits. Ids sort by the millisecond they were made in, cannot be guessed, hold no `:` and are never all digits.
 * Random bytes are drawn in batches; an id costs well under a microsecond.
 */
export function createIdFactory(source: IdSource = {}): (prefix: string) => string {
  const { now = Date.now, fill = randomFillSync } = source
  let pool: Uint8Array | undefined
  let offset = poolBytes
  let pairs: readonly string[] = []
  let timeMs = -1
  let timeText = ''

  return (prefix) => {
    if (pool === undefined) {
      pool = new Uint8Array(poolBytes)
      pairs = Array.from({ length: 1024 }, (_, value) => letter(value >> 5) + letter(value & 31))
    }
    if (offset === poolBytes) {
      fill(pool)
      offset = 0
    }
    const nowMs = now()
    if (nowMs !== timeMs) {
      timeMs = nowMs
      timeText = encodeTime(nowMs)
    }
    const randomText = encodeFiveBytes(pool, offset, pairs) + encodeFiveBytes(pool, offset + 5, pairs)
    offset += randomBytesPerId
    return `${prefix}_${timeText}${randomText}`
  }
}

/** `createId('job')` → `job_01m8k3…`, with the machine's clock and node:crypto. */
export const createId: (prefix: string) => string = createIdFactory()

function letter(value: number): string {
  return alphabet[value] ?? ''
}

/** 50 bits of time in ten letters: enough until the year 37648. */
function encodeTime(timeMs: number): string {
  let text = ''
  let rest = timeMs
  for (let place = 0; place < 10; place++) {
    text = letter(rest % 32) + text
    rest = Math.floor(rest / 32)
  }
  return text
}

/** 40 bits as four pairs of letters, ten bits each. */
function encodeFiveBytes(bytes: Uint8Array, at: number, pairs: readonly string[]): string {
  const a = bytes[at] ?? 0
  const b = bytes[at + 1] ?? 0
  const c = bytes[at + 2] ?? 0
  const d = bytes[at + 3] ?? 0
  const e = bytes[at + 4] ?? 0
  return `${pairs[(a << 2) | (b >> 6)]}${pairs[((b & 63) << 4) | (c >> 4)]}${pairs[((c & 15) << 6) | (d >> 2)]}${pairs[((d & 3) << 8) | e]}`
}
