import { createParser } from 'eventsource-parser'

export interface SseEvent {
  readonly id: string | undefined
  readonly event: string | undefined
  readonly data: string
}

/** A reader of server-sent events over fetch, as a client would be. */
export interface SseReader {
  readonly status: number
  readonly headers: Headers
  readonly events: readonly SseEvent[]
  readonly comments: readonly string[]
  /** Resolves when the stream has ended, however it did: `clean` when the server closed it properly. */
  readonly ended: Promise<'clean' | 'cut'>
  close(): void
}

export async function createSseReader(url: string, init: RequestInit = {}): Promise<SseReader> {
  const abort = new AbortController()
  const response = await fetch(url, { ...init, signal: abort.signal })
  const events: SseEvent[] = []
  const comments: string[] = []
  const parser = createParser({
    onEvent: ({ id, event, data }) => events.push({ id, event, data }),
    onComment: (comment) => comments.push(comment),
  })
  const read = async (): Promise<'clean' | 'cut'> => {
    const decoder = new TextDecoder()
    try {
      for await (const bytes of response.body ?? []) parser.feed(decoder.decode(bytes, { stream: true }))
      return 'clean'
    } catch {
      return 'cut'
    }
  }
  return {
    status: response.status,
    headers: response.headers,
    events,
    comments,
    ended: read(),
    close: () => abort.abort(),
  }
}
