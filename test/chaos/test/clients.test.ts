import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ClientRequest } from '../history/history.ts'
import { checkRequest } from '../history/rules/requests.ts'
import { createChunkReader } from '../load/body-reader.ts'
import { type Client, createClient } from '../load/client.ts'
import { readJob } from '../load/clients/job-reader.ts'
import { createRecorder, type Recorder } from '../load/recorder.ts'
import type { System } from '../system/system.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const chunk = (content: string, finish: string | null = null): string =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: { content }, finish_reason: finish }],
  })}\n\n`
const done = 'data: [DONE]\n\n'
const envelope = (code: string): string =>
  JSON.stringify({ error: { message: 'No.', type: 'server_error', param: null, code } })
const event = (id: string, name: string): string => `id: ${id}\nevent: ${name}\ndata: {}\n\n`

describe('a client', () => {
  let servers: Server[]
  let handlers: Handler[]
  let dispatcher: Agent
  let recorder: Recorder
  let giveUp: AbortController
  let client: Client

  beforeEach(async () => {
    handlers = []
    recorder = createRecorder()
    giveUp = new AbortController()
    dispatcher = new Agent()
    servers = await Promise.all(Array.from({ length: 2 }, () => listen((...both) => handlers.shift()?.(...both))))
    const ingresses = servers.map((server) => ({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }))
    client = createClient('client', () => 0, {
      options: {
        ...{
          system: { ingresses, masterKey: 'sk' } as unknown as System,
          seed: 1,
          tokens: [1, 1],
          interTokenMs: [1, 1],
        },
        clients: { async: 0, streaming: 0, whole: 0, embedding: 0, leaving: 0 },
      },
      ...{ dispatcher, recorder, stopping: new AbortController().signal, giveUp: giveUp.signal },
    })
  })
  afterEach(async () => {
    await dispatcher.destroy()
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  })

  const stream = async (...pieces: readonly string[]): Promise<ClientRequest> => {
    handlers.push((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'x-inferq-job-id': 'job_1' })
      for (const piece of pieces) response.write(piece)
      response.end()
    })
    return ask()
  }
  const ask = async (leave?: AbortSignal, onChunk?: () => void): Promise<ClientRequest> => {
    const { request } = await client.ask({
      ...{ kind: 'stream', method: 'POST', path: '/v1/chat/completions', body: {}, user: 'client-1' },
      ...(leave === undefined ? {} : { leave }),
      reader: () => createChunkReader(onChunk),
    })
    return request
  }
  const rulesBrokenBy = (request: ClientRequest): string[] => checkRequest(request).map(({ rule }) => rule)

  it('sees a stream with its end', async () => {
    const request = await stream(chunk('wo'), ': heartbeat\n\n', chunk('rds', 'stop'), done)
    expect(request).toMatchObject({ status: 200, ended: 'terminal', text: 'words', jobId: 'job_1', user: 'client-1' })
    expect(rulesBrokenBy(request)).toEqual([])
  })

  it('sees a stream that just ends', async () => {
    const request = await stream(chunk('wo'))
    expect(request).toMatchObject({ ended: 'silent', text: 'wo' })
    expect(rulesBrokenBy(request)).toEqual(['streams-end-in-words'])
  })

  it('sees a stream that ends with an error', async () => {
    const request = await stream(chunk('wo'), `data: ${envelope('upstream_interrupted')}\n\n`)
    expect(request).toMatchObject({ ended: 'error', text: 'wo', errorCode: 'upstream_interrupted' })
    expect(rulesBrokenBy(request)).toEqual([])
  })

  it.each([
    ['a chunk that is no JSON', ['data: {"id"\n\n', chunk('', 'stop'), done]],
    ['a chunk after the end', [chunk('words', 'stop'), done, chunk('more')]],
    ['no reason for its end', [chunk('words'), done]],
    ['a chunk of something else', ['data: {"id":"chatcmpl-1","object":"error"}\n\n', chunk('', 'stop'), done]],
  ])('sees a stream with %s', async (_, pieces) => {
    expect(rulesBrokenBy(await stream(...pieces))).toEqual(['answers-are-well-formed'])
  })

  it('sees a connection that is cut in the middle of a stream', async () => {
    handlers.push((_, response) => {
      response.writeHead(200)
      response.write(chunk('wo'), () => response.destroy())
    })
    const request = await ask()
    expect(request).toMatchObject({ status: 200, ended: 'cut', text: 'wo' })
    expect(request.endedAt).not.toBeNull()
    expect(rulesBrokenBy(request)).toEqual([])
  })

  it('puts characters together that were cut', async () => {
    const bytes = Buffer.from(chunk('語🜁', 'stop') + done)
    const cut = bytes.indexOf(Buffer.from('語')) + 1
    handlers.push((_, response) => {
      response.writeHead(200)
      response.write(bytes.subarray(0, cut))
      setImmediate(() => response.end(bytes.subarray(cut)))
    })
    expect(await ask()).toMatchObject({ ended: 'terminal', text: '語🜁' })
  })

  it('tells an answer that hangs from one that it has left itself', async () => {
    const leave = new AbortController()
    const half: Handler = (_, response) => void response.writeHead(200).write(chunk('wo'))
    handlers.push(half)
    const left = await ask(leave.signal, () => leave.abort())
    expect(left).toMatchObject({ ended: 'left', text: 'wo' })
    expect(rulesBrokenBy(left)).toEqual([])
    handlers.push(half)
    const hung = await ask(undefined, () => giveUp.abort())
    expect(hung).toMatchObject({ ended: null, endedAt: null })
    expect(rulesBrokenBy(hung)).toEqual(['nothing-hangs'])
  })

  it.each([
    ['a refusal that does not say when', 503, envelope('service_unavailable'), ['refusals-say-when']],
    ['an internal error', 500, envelope('internal_error'), ['no-internal-error']],
    ['an error without the envelope', 502, '<html>Bad gateway</html>', ['no-internal-error']],
    ['an error with half of the envelope', 502, '{"error":{"message":"No."}}', ['no-internal-error']],
    ['a refusal of what is right', 404, envelope('job_not_found'), ['right-is-not-refused']],
    ['a failure of the upstream', 502, envelope('upstream_error'), []],
  ])('sees %s', async (_, status, body, broken) => {
    handlers.push((_request, response) => response.writeHead(status).end(body))
    expect(rulesBrokenBy(await ask())).toEqual(broken)
  })

  it('asks another ingress again when it is told to come later, or gets no answer', async () => {
    const asked: string[] = []
    const refuse: Handler = (request, response) => {
      asked.push(request.headers.host ?? '')
      response.writeHead(503, { 'retry-after': '0' }).end(envelope('service_unavailable'))
    }
    handlers.push(refuse, refuse, (request) => {
      asked.push(request.headers.host ?? '')
      request.socket.destroy()
    })
    handlers.push((_, response) => response.writeHead(200).end('{}'))
    const answer = await client.askUntilAnswered((attempt) => ({
      ...{ kind: 'submit', method: 'POST', path: '/v1/jobs', body: {}, user: `try-${attempt}` },
    }))
    expect(answer?.request).toMatchObject({ status: 200, user: 'try-4' })
    expect(new Set(asked.slice(0, 2)).size).toBe(2)
    expect(new Set(asked.slice(1)).size).toBe(2)
    expect(recorder.requests.map(({ status }) => status)).toEqual([503, 503, null, 200])
  })

  it('reads the events of a job on, from the last it has seen, after a cut, a farewell and a refusal', async () => {
    const asked: (string | undefined)[] = []
    const answer =
      (text: string, end: (response: ServerResponse) => unknown = (response) => response.end()): Handler =>
      (request, response) => {
        asked.push(request.headers['last-event-id'] as string | undefined)
        response.writeHead(200).write(text, () => end(response))
      }
    handlers.push(
      answer(event('0-1', 'job.queued') + event('1-0', 'job.started'), (response) => response.destroy()),
      answer(`${event('1-1', 'output.delta')}: server stopping\n\n`),
      (_, response) => response.writeHead(503, { 'retry-after': '0' }).end(envelope('service_unavailable')),
      answer(event('1-2', 'output.delta') + event('1-3', 'job.completed')),
    )
    await readJob(client, 'reader', 'job_1')
    expect(asked).toEqual([undefined, '1-0', '1-1'])
    expect(recorder.readers).toMatchObject([{ reader: 'reader', jobId: 'job_1', isComplete: true }])
    expect(recorder.readers[0]?.events.map(({ id }) => id)).toEqual(['0-1', '1-0', '1-1', '1-2', '1-3'])
    expect(recorder.requests.map(({ ended }) => ended)).toEqual(['cut', 'error', 'whole', 'terminal'])
    expect(recorder.requests.flatMap(rulesBrokenBy)).toEqual([])
  })

  it('sees a stream of events that just ends', async () => {
    handlers.push((_, response) => response.writeHead(200).end(`${event('0-1', 'job.queued')}: queued position=1\n\n`))
    handlers.push((_, response) => response.writeHead(200).end(event('1-1', 'job.failed')))
    await readJob(client, 'reader', 'job_1')
    expect(recorder.requests.flatMap(rulesBrokenBy)).toEqual(['streams-end-in-words'])
  })
})

function listen(handler: Handler): Promise<Server> {
  const server = createServer(handler)
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}
