import type { ExpectedAnswer } from './protocol.ts'

/** Takes an answer's bytes as they come and says at the end what is wrong with it. */
export interface AnswerCheck {
  take(text: string): void
  /** The first token has come. */
  readonly hasToken: boolean
  /** What is wrong with the whole answer; null: nothing. */
  fault(): string | null
}

/** A chat completion in one piece. */
export function createWholeCheck(expected: ExpectedAnswer): AnswerCheck {
  let body = ''
  return {
    take(text) {
      body += text
    },
    get hasToken() {
      return body !== ''
    },
    fault() {
      const answer = parseJson(body) as WholeAnswer | undefined
      if (answer === undefined) return 'the body is not JSON'
      const choice = answer.choices?.[0]
      if (choice?.message?.content !== expected.text) return 'another text than the upstream sent'
      if (answer.usage?.completion_tokens !== expected.tokens) return 'another number of tokens'
      return choice.finish_reason === 'stop' ? null : 'another finish reason'
    },
  }
}

/**
 * A stream of chat completion chunks. Chunks may hold several tokens: what counts is the text they make. `onText` sees each
 * piece of text as it comes and gives what of it counts.
 */
export function createStreamCheck(
  expected: ExpectedAnswer,
  onText: (piece: string) => string = (piece) => piece,
): AnswerCheck {
  let rest = ''
  let text = ''
  let finishReason: string | null = null
  let isDone = false
  let found: string | null = null

  const takeLine = (line: string): void => {
    if (!line.startsWith('data:')) return
    const data = line.slice(5).trim()
    if (isDone) found ??= 'something after [DONE]'
    if (data === '[DONE]') {
      isDone = true
      return
    }
    const chunk = parseJson(data) as Chunk | undefined
    if (chunk === undefined) found ??= 'a chunk is not JSON'
    else if (chunk.error !== undefined) found ??= 'an error in the stream'
    const choice = chunk?.choices?.[0]
    const piece = choice?.delta?.content
    if (typeof piece === 'string' && piece !== '') text += onText(piece)
    finishReason ??= choice?.finish_reason ?? null
  }

  return {
    take(piece) {
      rest += piece
      let start = 0
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', start)) {
        takeLine(rest.slice(start, end))
        start = end + 1
      }
      rest = rest.slice(start)
    },
    get hasToken() {
      return text !== ''
    },
    fault() {
      if (found !== null) return found
      if (text !== expected.text) return isDone ? 'another text than the upstream sent' : 'it broke off'
      if (finishReason !== 'stop') return 'another finish reason'
      return isDone ? null : 'no [DONE]'
    },
  }
}

interface WholeAnswer {
  readonly choices?: readonly { readonly message?: { readonly content?: unknown }; readonly finish_reason?: unknown }[]
  readonly usage?: { readonly completion_tokens?: unknown }
}

interface Chunk {
  readonly error?: unknown
  readonly choices?: readonly { readonly delta?: { readonly content?: string }; readonly finish_reason?: string }[]
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
