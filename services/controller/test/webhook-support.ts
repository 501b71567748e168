import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A receiver of webhooks on loopback. Each request is answered by the next answer; the last one goes on. */
export interface Receiver {
  readonly url: string
  readonly port: number
  readonly received: readonly Received[]
  answer(...answers: readonly Answer[]): void
  stop(): Promise<void>
}

/** A status, or anything else. */
export type Answer = number | ((request: IncomingMessage, response: ServerResponse) => void)

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = []
  let answers: Answer[] = [204]
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    received.push({ path: request.url ?? '', headers: request.headers, body })
    const answer = answers.length > 1 ? answers.shift() : answers[0]
    if (typeof answer === 'function') answer(request, response)
    else response.writeHead(answer ?? 204).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hooks?token=planted-in-url`,
    port,
    received,
    answer(...next) {
      answers = [...next]
    },
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** The headers that a verifier wants. */
export function signed({ headers }: Received): Record<string, string> {
  const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature']
  return Object.fromEntries(names.map((name) => [name, String(headers[name])]))
}
