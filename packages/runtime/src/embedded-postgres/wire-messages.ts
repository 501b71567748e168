/**
 * Cuts what a client sends into what belongs together. Format of the messages:
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export type Cut =
  /** Messages up to the one after which the client waits for an answer. */
  | { readonly kind: 'exchange'; readonly messages: readonly Uint8Array[]; readonly unfinished: boolean }
  /** It asked for TLS or GSSAPI, and goes on in plain text when it is told no. */
  | { readonly kind: 'refuse-encryption' }
  /** It said goodbye, asked to cancel (which one session for all cannot do), or does not speak this protocol. */
  | { readonly kind: 'end' }

export interface MessageCutter {
  add(data: Buffer): readonly Cut[]
}

/** Postgres itself takes no larger value. */
const maxMessageBytes = 1024 ** 3
const encryptionRequests: readonly number[] = [80_877_103, 80_877_104]
const cancelRequest = 80_877_102
const terminate = 'X'
const flush = 'H'
/** Sync, Query, Flush, PasswordMessage, FunctionCall. */
const waitsAfter = new Set(['S', 'Q', flush, 'p', 'F'])

/** One for each connection. */
export function createMessageCutter(): MessageCutter {
  let chunks: Buffer[] = []
  let length = 0
  let started = false
  let gathered: Uint8Array[] = []

  /** The first `count` bytes in one piece, or null when they are not all here. Chunks are joined once per message. */
  const peek = (count: number): Buffer | null => {
    if (length < count) return null
    if ((chunks[0]?.length ?? 0) < count) chunks = [Buffer.concat(chunks)]
    return chunks[0] ?? null
  }
  const take = (count: number): Uint8Array | null => {
    const bytes = peek(count)
    if (bytes === null) return null
    chunks[0] = bytes.subarray(count)
    length -= count
    return new Uint8Array(bytes.subarray(0, count))
  }

  /** Before anything else a client sends untyped messages: requests for encryption, then its startup. */
  const cutStartup = (): Cut | null => {
    const head = peek(8)
    if (head === null) return null
    const code = head.readInt32BE(4)
    if (!isLength(head.readInt32BE(0), 8)) return { kind: 'end' }
    const message = take(head.readInt32BE(0))
    if (message === null) return null
    if (encryptionRequests.includes(code)) return { kind: 'refuse-encryption' }
    if (code === cancelRequest) return { kind: 'end' }
    started = true
    return { kind: 'exchange', messages: [message], unfinished: false }
  }

  const cutExchange = (): Cut | null => {
    for (;;) {
      const head = peek(5)
      if (head === null) return null
      const type = String.fromCharCode(head[0] ?? 0)
      const size = head.readInt32BE(1)
      if (!isLength(size, 4)) return { kind: 'end' }
      const message = take(1 + size)
      if (message === null) return null
      if (type === terminate) return { kind: 'end' }
      gathered.push(message)
      if (!waitsAfter.has(type)) continue
      const messages = gathered
      gathered = []
      return { kind: 'exchange', messages, unfinished: type === flush }
    }
  }

  return {
    add(data) {
      chunks.push(data)
      length += data.length
      const cuts: Cut[] = []
      for (;;) {
        const cut = started ? cutExchange() : cutStartup()
        if (cut === null) return cuts
        cuts.push(cut)
        if (cut.kind === 'end') return cuts
      }
    },
  }
}

function isLength(size: number, least: number): boolean {
  return size >= least && size <= maxMessageBytes
}
