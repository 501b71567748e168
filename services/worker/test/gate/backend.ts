import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A serving engine that answers when it is told to, refuses what is too much, and tells its load, or does not. */
export interface TestBackend {
  readonly url: string
  /** Calls it has accepted and not answered. */
  readonly held: number
  /** Refused so far. */
  readonly refused: number
  /** Accepted so far. */
  readonly accepted: number
  /** Calls at once; more are refused with 503. */
  room: number
  /** What `/metrics` says; null: it fails. */
  load: { readonly waiting: number; readonly running: number; readonly kvUsage: number } | null
  /** How often that was read. */
  readonly reads: number
  /** Answers the oldest calls. */
  answer(count: number): void
  /** Answers every call at once, from now on. */
  answerAll(): void
  close(): Promise<void>
}

export async function startBackend(): Promise<TestBackend> {
  const held = new Set<ServerResponse>()
  let refused = 0
  let accepted = 0
  let reads = 0
  let answersAll = false
  const json = { 'content-type': 'application/json' }
  const reply = (response: ServerResponse): void => {
    held.delete(response)
    const message = { role: 'assistant', content: 'Hello.' }
    const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 }
    const choices = [{ index: 0, message, finish_reason: 'stop' }]
    response.writeHead(200, json).end(JSON.stringify({ object: 'chat.completion', choices, usage }))
  }
  const server = createServer((request, response) => {
    request.resume()
    if (request.url === '/metrics') {
      reads++
      if (backend.load === null) response.writeHead(500).end()
      else response.writeHead(200).end(metricsOf(backend.load))
      return
    }
    if (held.size >= backend.room) {
      refused++
      response.writeHead(503, json).end('{"error":{"message":"too many requests are queued"}}')
      return
    }
    accepted++
    held.add(response)
    response.on('close', () => held.delete(response))
    if (answersAll) reply(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const backend: TestBackend = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    room: Number.POSITIVE_INFINITY,
    load: { waiting: 0, running: 0, kvUsage: 0 },
    get held() {
      return held.size
    },
    get refused() {
      return refused
    },
    get accepted() {
      return accepted
    },
    get reads() {
      return reads
    },
    answer(count) {
      for (const response of [...held].slice(0, count)) reply(response)
    },
    answerAll() {
      answersAll = true
      for (const response of held) reply(response)
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return backend
}

function metricsOf({ waiting, running, kvUsage }: NonNullable<TestBackend['load']>): string {
  return `vllm:num_requests_waiting ${waiting}\nvllm:num_requests_running ${running}\nvllm:kv_cache_usage_perc ${kvUsage}\n`
}
