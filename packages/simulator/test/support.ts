import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { onTestFinished } from 'vitest'
import { createSimulator, type Simulator, type SimulatorOptions } from '../src/index.ts'
import type { Loose } from './readers.ts'

/** A started simulator that stops when the test ends. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const simulator = createSimulator(options)
  await simulator.start()
  onTestFinished(() => simulator.stop())
  return simulator
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** The body's chunks as the socket gave them. */
  readonly chunks: readonly Buffer[]
  /** False when the connection closed before the body was complete. */
  readonly complete: boolean
}

export interface OpenCall {
  readonly request: ClientRequest
  /** What has arrived so far. */
  text(): string
  readonly answer: Promise<Answer>
}

/** Begins a call and lets the test look at it while it runs. The answer rejects when the socket dies before a head. */
export function open(
  url: string,
  path: string,
  body?: unknown,
  options: { method?: string; headers?: Record<string, string> } = {},
): OpenCall {
  const payload = typeof body === 'string' ? body : JSON.stringify(body)
  const method = options.method ?? (body === undefined ? 'GET' : 'POST')
  const call = request(`${url}${path}`, { method, agent: false, headers: options.headers ?? {} })
  const chunks: Buffer[] = []
  const answer = new Promise<Answer>((resolve, reject) => {
    call.on('error', reject)
    call.on('response', (response: IncomingMessage) => {
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => {})
      response.on('close', () => {
        const { statusCode = 0, headers, complete } = response
        resolve({ status: statusCode, headers, text: Buffer.concat(chunks).toString(), chunks, complete })
      })
    })
  })
  answer.catch(() => {})
  call.end(payload)
  return { request: call, text: () => Buffer.concat(chunks).toString(), answer }
}

export function call(...given: Parameters<typeof open>): Promise<Answer> {
  return open(...given).answer
}

/** Posts JSON and gives what came, as text, bytes or parsed. */
export async function post(url: string, path: string, body: unknown, headers: Record<string, string> = {}) {
  const { status, text, headers: answered, chunks } = await call(url, path, body, { headers })
  return { status, text, headers: answered, bytes: Buffer.concat(chunks), json: (): Loose => JSON.parse(text) }
}

/** A chat request with one turn. */
export function chat(content: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { model: 'm', messages: [{ role: 'user', content }], ...more }
}

/** The JSON payloads of an SSE body, without the final [DONE]. */
export function events<T = ChatChunk>(text: string): T[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '' && block !== 'data: [DONE]')
    .map((block) => JSON.parse(block.slice('data: '.length)) as T)
}

export function lines<T = OllamaLine>(text: string): T[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}

export interface ChatChunk {
  choices: {
    index: number
    delta: { role?: string; content?: string | null; reasoning_content?: string; tool_calls?: ToolCallDelta[] }
    logprobs: unknown
    finish_reason: string | null
  }[]
  usage?: Record<string, unknown> | null
  sim_at?: number
}

export interface ToolCallDelta {
  index: number
  id?: string
  type?: string
  function: { name?: string; arguments: string }
}

export interface OllamaLine {
  model: string
  message?: { role: string; content: string; thinking?: string; tool_calls?: unknown[] }
  response?: string
  done: boolean
  done_reason?: string
  eval_count?: number
  prompt_eval_count?: number
  load_duration?: number
}

export function contentOf(chunks: readonly ChatChunk[], index = 0): string {
  return chunks
    .flatMap(({ choices }) => choices)
    .filter((choice) => choice.index === index)
    .map(({ delta }) => delta.content ?? '')
    .join('')
}

/** Waits until the condition holds; fails after the deadline. */
export async function until(condition: () => boolean | Promise<boolean>, deadlineMs = 15_000): Promise<void> {
  const end = performance.now() + deadlineMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
