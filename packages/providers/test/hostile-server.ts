import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createProvider, type Provider, type ProviderDependencies, type Upstream } from '../src/index.ts'
import { patientTimeouts } from './support.ts'

// What no honest server does, and the simulator therefore cannot.
export const closing: (() => Promise<unknown>)[] = []

/** To be called after each test. */
export async function closeAll(): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close()
}

export function answering(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  return listen(
    createHttpServer((request, response) => {
      request.resume()
      request.on('end', () => answer(request, response))
    }),
  )
}

/** Answers every connection with these bytes as soon as a request begins, then with whatever `more` does. */
export function saying(bytes: string, more: (socket: Socket) => void = (socket) => socket.end()): Promise<string> {
  return listen(
    createTcpServer((socket) => {
      socket.once('data', () => {
        socket.write(bytes)
        more(socket)
      })
    }),
  )
}

/** A provider for such a server. */
export function provider(
  baseUrl: string,
  kind: 'openai' | 'vllm' | 'ollama' | 'anthropic' = 'openai',
  over: Partial<Upstream['timeouts']> = {},
  dependencies: ProviderDependencies = {},
): Provider {
  const made = createProvider(
    { id: 'hostile', provider: kind, wire: kind, model: 'm', baseUrl, timeouts: { ...patientTimeouts, ...over } },
    dependencies,
  )
  closing.push(() => made.close())
  return made
}

export const eventHead = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n'
export const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
export const textEvent = (content: string) => event({ choices: [{ index: 0, delta: { content } }] })
export const finishEvent = event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
export const usageEvent = event({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } })

async function listen(server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve)
        for (const socket of sockets) socket.destroy()
      }),
  )
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
