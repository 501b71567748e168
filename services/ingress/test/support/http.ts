import { masterKey } from './bench.ts'

export interface CallOptions {
  readonly method?: string
  readonly key?: string | null
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
  /** Sent as it is; otherwise `json` is. */
  readonly text?: string | Uint8Array<ArrayBuffer>
  readonly json?: unknown
}

/** One request with the master key. Never throws for a status. */
export function call(url: string, options: CallOptions = {}): Promise<Response> {
  const { key = masterKey, json, text = json === undefined ? undefined : JSON.stringify(json) } = options
  return fetch(url, {
    method: options.method ?? (text === undefined ? 'GET' : 'POST'),
    headers: {
      ...(text === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...options.headers,
    },
    ...(text === undefined ? {} : { body: text }),
    ...(options.signal ? { signal: options.signal } : {}),
  })
}

export interface SseEvent {
  readonly id?: string
  readonly event?: string
  readonly data?: string
  readonly comment?: string
}

/** Reads server-sent events one by one. */
export interface SseReader {
  readonly response: Response
  /** The next event (or comment); null at the end of the stream. */
  next(): Promise<SseEvent | null>
  /** The next one that is no comment and no lone `retry`. */
  nextEvent(): Promise<SseEvent | null>
  /** Everything up to the end. */
  rest(): Promise<SseEvent[]>
  cancel(): Promise<void>
}

export function readSse(response: Response): SseReader {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let buffered = ''
  const next = async (): Promise<SseEvent | null> => {
    for (;;) {
      const end = buffered.indexOf('\n\n')
      if (end >= 0) {
        const block = buffered.slice(0, end)
        buffered = buffered.slice(end + 2)
        return parseEvent(block)
      }
      const { value, done } = (await reader?.read()) ?? { value: undefined, done: true }
      if (done) return null
      buffered += value
    }
  }
  const nextEvent = async (): Promise<SseEvent | null> => {
    for (;;) {
      const event = await next()
      if (event === null || event.data !== undefined) return event
    }
  }
  return {
    response,
    next,
    nextEvent,
    async rest() {
      const events: SseEvent[] = []
      for (let event = await nextEvent(); event !== null; event = await nextEvent()) events.push(event)
      return events
    },
    cancel: async () => reader?.cancel(),
  }
}

function parseEvent(block: string): SseEvent {
  const event: Record<string, string> = {}
  for (const line of block.split('\n')) {
    if (line.startsWith(': ')) event['comment'] = line.slice(2)
    const match = /^(id|event|data): (.*)$/s.exec(line)
    if (match?.[1] !== undefined && match[2] !== undefined) event[match[1]] = match[2]
  }
  return event
}

/** The data of an event as JSON. */
export function dataOf(event: SseEvent | null): Record<string, unknown> {
  return JSON.parse(event?.data ?? 'null') as Record<string, unknown>
}
