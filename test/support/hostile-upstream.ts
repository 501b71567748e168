import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'

/** An upstream that answers each model in a wrong way of its own: what the simulator, being honest, cannot. */
export interface HostileUpstream {
  readonly url: string
  /** Answers begun and not ended: neither by the upstream nor by who called it. */
  open(): number
  stop(): Promise<void>
}

type Behaviour = (response: ServerResponse, stream: boolean) => void

const mebi = 1024 * 1024
const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
const text = (content: string): string => event({ choices: [{ index: 0, delta: { content } }] })
const stop = event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
const done = 'data: [DONE]\n\n'

function answer(content: string, usage?: unknown): string {
  const choice = { index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }
  return JSON.stringify({ id: 'x', object: 'chat.completion', created: 1, model: 'x', choices: [choice], usage })
}

/** Says `good` in one piece or as a stream, with what is to be wrong about it after it. */
function says(good: string, options: { readonly usage?: string; readonly after?: string } = {}): Behaviour {
  const { usage = '{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}', after = '' } = options
  return (response, stream) => {
    if (!stream) response.end(`${answer(good).slice(0, -1)},"usage":${usage}}`)
    else response.end(`${text(good)}${stop}data: {"choices":[],"usage":${usage}}\n\n${done}${after}`)
  }
}

function endless(response: ServerResponse, head: string, piece: string): void {
  response.write(head)
  const fill = (): void => {
    while (!response.destroyed && response.write(piece));
  }
  response.on('drain', fill)
  fill()
}

function dripping(response: ServerResponse, piece: string): void {
  const timer = setInterval(() => response.write(piece), 20)
  response.on('close', () => clearInterval(timer))
}

const bomb = gzipSync(Buffer.alloc(16 * mebi, ' '))
const nested = `${'['.repeat(50_000)}${']'.repeat(50_000)}`

const behaviours: Readonly<Record<string, Behaviour>> = {
  'endless-body': (response) => endless(response, '{"choices":[{"message":{"content":"', 'x'.repeat(mebi)),
  'endless-line': (response) => endless(response, 'data: {"choices":[{"delta":{"content":"', 'x'.repeat(mebi)),
  'endless-output': (response) => endless(response, '', text('x'.repeat(mebi))),
  'endless-words': (response) => dripping(response, text('word ')),
  'endless-nothing': (response) => dripping(response, ': nothing\n\n'),
  'endless-spaces': (response) => {
    response.write('{')
    dripping(response, ' ')
  },
  nested: (response, stream) =>
    response.end(
      stream
        ? `data: {"choices":[{"index":0,"delta":{"x":${nested}}}]}\n\n`
        : `{"choices":[{"index":0,"message":{"content":"a","x":${nested}}}]}`,
    ),
  'gzip-bomb': (response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)
  },
  page: (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sign in</html>'),
  empty: (response) => response.end(),
  redirect: (response) => response.writeHead(307, { location: '/elsewhere' }).end(),
  'error-in-200': (response, stream) => {
    const error = { error: { message: 'too long', code: 'context_length_exceeded' } }
    response.end(stream ? event(error) : JSON.stringify(error))
  },
  'text-plain': (response, stream) => {
    response.setHeader('content-type', 'text/plain')
    says('plainly said')(response, stream)
  },
  'garbage-after': says('well said', { after: `${'%'.repeat(2_000)}\n\ndata: {"choices"` }),
  'usage-huge': says('four words of answer', {
    usage: '{"prompt_tokens":3000000000,"completion_tokens":9e15,"total_tokens":1e300}',
  }),
  'usage-negative': says('four words of answer', { usage: '{"prompt_tokens":-3,"completion_tokens":-4}' }),
  'usage-text': says('four words of answer', { usage: '{"prompt_tokens":"3","completion_tokens":"4"}' }),
  'usage-none': says('four words of answer', { usage: 'null' }),
}

export async function startHostileUpstream(): Promise<HostileUpstream> {
  let open = 0
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request) body += piece
    const { model, stream = false } = JSON.parse(body) as { model: string; stream?: boolean }
    open += 1
    response.on('close', () => {
      open -= 1
    })
    const behaviour = behaviours[model]
    if (behaviour === undefined) response.writeHead(404).end()
    else {
      response.setHeader('content-type', stream ? 'text/event-stream' : 'application/json')
      behaviour(response, stream)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    open: () => open,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
