/** A refusal or failure answered instead of a completion. */
export interface Fault {
  /** HTTP status, 400 to 599. */
  readonly status: number
  /** The error's `code`; known codes (see `errors.ts`) bring the message and type a real server sends. */
  readonly code?: string
  readonly message?: string
  /** Sent as `Retry-After`, in seconds. */
  readonly retryAfterS?: number
  /** The whole body instead of the wire's error form: a string as it is (a proxy's HTML page), else JSON. */
  readonly body?: unknown
  /** Share of calls that meet the fault, 0 to 1; which ones follows from the seed. Default 1. */
  readonly rate?: number
}

export interface ScriptedToolCall {
  readonly name: string
  /** JSON text as it is (also broken, on purpose), or a value to serialize. */
  readonly arguments: unknown
}

/** Bytes of the response body trickle out: `bytes` every `everyMs`, whatever they split. */
export interface SlowBody {
  readonly bytes: number
  readonly everyMs: number
}

/** What a call for embeddings costs: `fixedMs + perTokenMs × tokens × items ^ (batchExponent − 1)`. */
export interface EmbeddingScript {
  readonly fixedMs?: number
  readonly perTokenMs?: number
  /** 1: a batch costs what its items cost one by one; 0: no more than one of them. Default 0.6. */
  readonly batchExponent?: number
  /** Length of a vector unless the request asks for another. Default 384. */
  readonly dimensions?: number
  /** Items a call may carry; more is a 400. Default 2,048. */
  readonly maxItems?: number
  /** Tokens a call may carry; more is a 400. Default 300,000. */
  readonly maxTokens?: number
  /** A call with an item that contains this text is refused whole, with a 400: the bad item to find by bisection. */
  readonly rejectContaining?: string
  /** The status of that refusal, 400 to 599: some servers answer 500 for an input that they do not take. Default 400. */
  readonly rejectStatus?: number
}

/** How one call is answered. Everything is optional: an empty script answers at once, in prose drawn from the seed. */
export interface Script {
  /** The answer, word for word; otherwise simulated prose drawn from seed, model and prompt. */
  readonly text?: string
  /** The model declines, in these words, in the form of the wire; where a wire has no words for it, without them. */
  readonly refusal?: string
  /** Exact number of tokens of an answer drawn from the seed, label included. Otherwise it follows the prompt. */
  readonly tokens?: number
  /** Put before an answer drawn from the seed, so that nobody takes it for a model's. */
  readonly label?: string
  /** Instead of the reason that follows from the answer. OpenAI's word, on every wire; an unknown one stays as it is. */
  readonly finishReason?: string
  /** Answered when the request offers tools and does not already end with a tool's result. */
  readonly toolCalls?: readonly ScriptedToolCall[]
  /** Reasoning before the answer: a text, or a number of tokens. */
  readonly reasoning?: string | number
  /** Where JSON is asked for, text that is none; the arguments of tool calls too, unless they are scripted as text. */
  readonly brokenJson?: boolean
  /** Log probability of every token, at most 0, where the wire reports them. Otherwise it follows from the token. */
  readonly logprob?: number
  /** Say the prefix that is continued once more before what follows it, as Mistral does. */
  readonly echoPrefix?: boolean
  /** Fields put over the true usage, to report a wrong one. OpenAI's names, on every wire. */
  readonly usage?: Readonly<Record<string, unknown>>
  /** Report no usage at all. */
  readonly noUsage?: boolean

  /** From having a slot to the first token. */
  readonly ttftMs?: number
  /**
   * Beginnings that the model has read before are not read again: they count as cached in the usage, and the time to the first
   * token is as much shorter as their share of the prompt. Chats only.
   */
  readonly prefixCache?: boolean
  /** Between two tokens of one answer, while it is alone on the model (see `batchSlowdown`). */
  readonly interTokenMs?: number
  /** 0 to 1: each delay varies by at most this share, following the seed. */
  readonly jitter?: number
  /** Each token ends with `@<ms since 1970>`, the moment it was emitted; OpenAI's and Ollama's chunks have it as `sim_at` too. */
  readonly emitStamps?: boolean
  readonly slowBody?: SlowBody

  /** Answer with an error instead. A number stands for `{ status }`. */
  readonly fault?: Fault | number
  /** The vendor's content filter blocks the prompt: an error, or on Gemini's and Bedrock's wire an answer saying so. */
  readonly contentFilter?: boolean
  /** Fall silent for good, holding the slot: before the response headers, before the first token, or after some. */
  readonly hang?: 'before-headers' | 'before-first-token' | { readonly afterTokens: number }
  /** After so many tokens a chunk that is not valid JSON, then on as if nothing were (not streaming: a broken body). */
  readonly malformedAfter?: number
  /** After so many tokens an error event in the stream, which ends there (not streaming: a 500). */
  readonly errorAfter?: number
  /** After so many tokens the socket is destroyed; 0 of a response not streamed: before a byte is sent. */
  readonly cutAfter?: number

  /** Longest prompt plus asked answer in tokens; beyond it the call is refused as too long. */
  readonly contextTokens?: number
  readonly embedding?: EmbeddingScript
  /** What loading this model costs on Ollama's wire. */
  readonly swapMs?: number
}

/** What only a model can have, not a single call. */
export interface ModelScript extends Script {
  /** Calls generated at the same time; further ones wait. Default 4,096. */
  readonly slots?: number
  /** Calls that may wait for a slot; further ones get a 503. Default 4,096. */
  readonly maxQueued?: number
  /** Tokens the KV cache holds. A call waits while its prompt does not fit. Default 1,000,000. */
  readonly kvTokens?: number
  /** Each further running call stretches the time between tokens by this share. Default 0. */
  readonly batchSlowdown?: number
  /** What `/api/show` reports. Default by name: `embedding` where it contains "embed", else `completion` and `tools`. */
  readonly capabilities?: readonly string[]
  /** One-shot scripts: the next calls of this model take one each, over all the rest. */
  readonly next?: readonly Script[]
}

/** A change to a script: fields replace, null takes back. */
export type ScriptPatch = { readonly [Field in keyof ModelScript]?: ModelScript[Field] | null }

/** `over` on top of `base`, field by field; the embedding part too. */
export function mergeScripts<Base extends Script>(base: Base, over: Script): Base {
  const merged = { ...base, ...over }
  if (base.embedding === undefined || over.embedding === undefined) return merged
  return { ...merged, embedding: { ...base.embedding, ...over.embedding } }
}

/** `script` with the fields of `patch` replaced, and those that are null removed. */
export function patchScript(script: ModelScript, patch: ScriptPatch): ModelScript {
  const patched: Record<string, unknown> = { ...script }
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete patched[field]
    else patched[field] = value
  }
  return patched
}

/** A fault in its long form. */
export function faultOf(script: Script): Fault | undefined {
  return typeof script.fault === 'number' ? { status: script.fault } : script.fault
}
