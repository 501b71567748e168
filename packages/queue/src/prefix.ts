import { createHash } from 'node:crypto'
import type { JobSpec } from '@inferq/contracts'

type Prompt = Pick<JobSpec, 'operation' | 'request' | 'candidates'>

/**
 * The beginning that this prompt shares with the turn before it: a conversation up to the question whose answer came last.
 * Undefined for a first turn, and for anything but a chat. Equal to `prefixLeft` of the turn before, of which it knows neither
 * the exact answer nor the worker.
 */
export function prefixSought(spec: Prompt, hop: number): string | undefined {
  const messages = messagesOf(spec)
  const answer = messages.findLastIndex((message) => roleOf(message) === 'assistant')
  return answer < 1 ? undefined : hashOf(spec, hop, messages.slice(0, answer))
}

/** What the next turn of this conversation will seek; undefined for anything but a chat. */
export function prefixLeft(spec: Prompt, hop: number): string | undefined {
  const messages = messagesOf(spec)
  return messages.length === 0 ? undefined : hashOf(spec, hop, messages)
}

function messagesOf({ operation, request }: Prompt): readonly unknown[] {
  const messages = request['messages']
  return operation === 'chat' && Array.isArray(messages) ? messages : []
}

function roleOf(message: unknown): unknown {
  return typeof message === 'object' && message !== null ? Reflect.get(message, 'role') : undefined
}

/** Tools come before the messages in what the model reads. A collision costs a cache miss, so 96 bits are plenty. */
function hashOf({ request, candidates }: Prompt, hop: number, messages: readonly unknown[]): string {
  const prompt = JSON.stringify([candidates[hop]?.model, request['tools'], messages])
  return createHash('sha1').update(prompt).digest('base64url').slice(0, 16)
}
