import type { RequestKind } from '@inferq/config'

export interface RequestLook {
  readonly kind: RequestKind
  /** In words; holds nothing of the request. */
  readonly reason: string
}

/** From this many tokens of prompt on, a request is long. */
const longPromptTokens = 10_000

/** Only the beginning and the end of what was asked last are looked at, this much of each. */
const lookedAtCharacters = 4000

/** A code fence, or two of these. */
const codeSigns: readonly RegExp[] = [
  /\b(?:function|const|let|var|return|import|class|def|async|await|public|static|void|struct|impl|SELECT|INSERT INTO)\b.{0,80}[({;:=]/,
  /\b[\w-]{1,60}\.(?:ts|tsx|js|jsx|py|rs|go|java|kt|cs|c|cc|cpp|h|hpp|rb|php|swift|sql|sh|ya?ml|json|html|css)\b/,
  /(?:=>|\(\)|\{\s*$|;\s*$|<\/\w{1,20}>|::|!==?|&&|\|\|)/m,
  /\b(?:stack trace|traceback|exception|segfault|compile|compiler|refactor|unit tests?|regex|bug|debug|codebase|pull request|API endpoint)\b/i,
  /\b(?:write|fix|review|implement|port|optimi[sz]e)\b.{0,40}\b(?:code|function|script|program|class|method|query|algorithm)\b/i,
]
const codeFence = /```|~~~/

const reasoningSigns: readonly RegExp[] = [
  /\b(?:step[ -]by[ -]step|think (?:hard|carefully|through)|chain of thought|show your (?:work|reasoning))\b/i,
  /\b(?:prove|proof|derive|theorem|lemma|integral|equation|probability that|how many ways)\b/i,
  /\b(?:trade-?offs?|pros and cons|root cause|compare and contrast|weigh the|evaluate the argument|why exactly)\b/i,
  /\b(?:puzzle|riddle|logic problem|math(?:s|ematics)?|calculate|optimi[sz]e the)\b/i,
]

/**
 * What kind of request it looks like, without asking a model. In this order: `reasoning_effort` medium or higher, or
 * `thinking`, asks for reasoning; from 10,000 tokens it is long; a code fence or two signs of code are code; one cue
 * such as "step by step" or "prove" is reasoning; the rest is simple. `tokens` is called at most once.
 */
export function classifyRequest(body: Readonly<Record<string, unknown>>, tokens: () => number): RequestLook {
  if (asksForReasoning(body)) return { kind: 'reasoning', reason: 'the request asks for reasoning' }
  const size = tokens()
  if (size >= longPromptTokens) return { kind: 'long', reason: `about ${size} tokens of prompt` }
  const question = lastQuestion(body)
  if (codeFence.test(question)) return { kind: 'code', reason: 'a code fence in the prompt' }
  const signs = codeSigns.filter((sign) => sign.test(question)).length
  if (signs >= 2) return { kind: 'code', reason: `${signs} signs of code in the prompt` }
  if (reasoningSigns.some((sign) => sign.test(question))) return { kind: 'reasoning', reason: 'a cue for reasoning' }
  return { kind: 'simple', reason: 'no sign of code or reasoning, and not long' }
}

function asksForReasoning(body: Readonly<Record<string, unknown>>): boolean {
  const reasoning = record(body['reasoning'])
  const effort = body['reasoning_effort'] ?? reasoning?.['effort']
  if (effort === 'medium' || effort === 'high' || effort === 'xhigh' || effort === 'max') return true
  return record(body['thinking'])?.['type'] === 'enabled'
}

/** The text of the last message of a user, or of the prompt; at most 8,000 characters of it. */
function lastQuestion(body: Readonly<Record<string, unknown>>): string {
  const { messages, prompt, input, text } = body
  const asked = Array.isArray(messages)
    ? record(messages.findLast((message) => record(message)?.['role'] === 'user'))?.['content']
    : (prompt ?? input ?? text)
  const pieces: string[] = []
  if (typeof asked === 'string') pieces.push(clipped(asked))
  for (const item of Array.isArray(asked) ? asked.slice(-4) : []) {
    const piece = typeof item === 'string' ? item : record(item)?.['text']
    if (typeof piece === 'string') pieces.push(clipped(piece))
  }
  return clipped(pieces.join('\n'))
}

function clipped(value: string): string {
  if (value.length <= 2 * lookedAtCharacters) return value
  return `${value.slice(0, lookedAtCharacters)}\n${value.slice(-lookedAtCharacters)}`
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
}
