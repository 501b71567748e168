import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import type { ClientRequest } from '../history/history.ts'
import { between, pick } from '../run/random.ts'
import { type BodyReader, createJsonReader } from './body-reader.ts'
import type { LoadOptions } from './load.ts'
import type { Recorder } from './recorder.ts'
import { type AnswerHeaders, send } from './send.ts'

/** What all clients of a load have in common. */
export interface LoadContext {
  readonly options: LoadOptions
  readonly dispatcher: Dispatcher
  readonly recorder: Recorder
  /** Nothing new is begun any more. */
  readonly stopping: AbortSignal
  /** Nobody waits any longer. */
  readonly giveUp: AbortSignal
}

/** One request, before it is known which ingress gets it. */
export interface Ask {
  readonly kind: ClientRequest['kind']
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: object
  readonly user?: string
  readonly key?: string
  readonly jobId?: string
  readonly expected?: string
  /** Aborted when the client goes away. */
  readonly leave?: AbortSignal
  /** How the body of a 200 that is an event stream is read, and of any other 2xx. Default: as JSON. */
  readonly reader?: (status: number) => BodyReader
}

/** A client of one kind, as the loops of `clients/` use it. */
export interface Client {
  readonly name: string
  readonly context: LoadContext
  readonly random: () => number
  /** One exchange with an ingress drawn at random, other than `not`. Recorded. Never rejects. */
  ask(ask: Ask, not?: string): Promise<Asked>
  /**
   * As documented: a connection that is refused or breaks before the answer, a 429 and a 503 are tried again, after Retry-After
   * and at another ingress. `make` gives the request of the n-th try. Undefined: given up, or the load is stopping.
   */
  askUntilAnswered(make: (attempt: number) => Ask): Promise<Asked | undefined>
  /** Thinks for a moment; shorter when the load is stopping. */
  think(range?: readonly [minMs: number, maxMs: number]): Promise<void>
}

export interface Asked {
  readonly request: ClientRequest
  readonly origin: string
}

/** A whole answer may need all tries at all candidates of an upstream that hangs; a stream tells every 15 s that it lives. */
const usualPatience = { wholeMs: 120_000, silentMs: 90_000 }
const longestMs = 2 ** 31 - 1
const thinkMs = [200, 1_200] as const
/** Where nobody says when to come again. */
const backoffMs = [100, 800] as const
const longestRetryAfterMs = 10_000
const triedForMs = 90_000

export function createClient(name: string, random: () => number, context: LoadContext): Client {
  const { options, stopping, giveUp, recorder } = context

  const ask = async (asking: Ask, not?: string): Promise<Asked> => {
    const ingresses = options.system.ingresses.map(({ url }) => url)
    const others = ingresses.filter((url) => url !== not)
    const origin = pick(random, others.length > 0 ? others : ingresses)
    const request = await exchange(name, context, asking, origin)
    recorder.request(request)
    return { request, origin }
  }

  return {
    name,
    context,
    random,
    ask,
    async askUntilAnswered(make) {
      const startedAt = performance.now()
      let not: string | undefined
      for (let attempt = 1; ; attempt += 1) {
        const asked = await ask(make(attempt), not)
        if (!isForLater(asked.request)) return asked
        if (stopping.aborted || performance.now() - startedAt > triedForMs) return undefined
        not = asked.origin
        await pause(retryAfterMs(asked.request) + between(random, backoffMs), giveUp)
      }
    },
    think: (range = thinkMs) => pause(between(random, range), stopping),
  }
}

/** Whether the documentation says to come again: nobody answered, or said "later". */
export function isForLater({ status, endedAt }: ClientRequest): boolean {
  return endedAt !== null && (status === null || status === 429 || status === 503)
}

export async function pause(ms: number, until: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: until }).catch(() => {})
}

function retryAfterMs({ retryAfter }: ClientRequest): number {
  const seconds = Number(retryAfter)
  return seconds > 0 ? Math.min(seconds * 1000, longestRetryAfterMs) : 0
}

async function exchange(client: string, context: LoadContext, asking: Ask, origin: string): Promise<ClientRequest> {
  const { dispatcher, options, giveUp } = context
  const { kind, method, path, user, key, expected } = asking
  const patience = { ...usualPatience, ...options.patience }
  const startedAt = Date.now()
  let status: number | null = null
  let headers: AnswerHeaders = {}
  let reader: BodyReader | undefined
  const how = await send(dispatcher, {
    ...{ origin, path, method, giveUp },
    headers: {
      authorization: `Bearer ${options.system.masterKey}`,
      ...(asking.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
      ...asking.headers,
    },
    body: asking.body === undefined ? undefined : JSON.stringify(asking.body),
    patience: kind === 'events' ? { ...patience, wholeMs: longestMs } : patience,
    leave: asking.leave ?? never,
    onHead(code, answered) {
      status = code
      headers = answered
      reader = code < 300 && code !== 204 && asking.reader !== undefined ? asking.reader(code) : createJsonReader(code)
      return reader.take
    },
  })
  const facts = how === 'hung' ? undefined : reader?.facts()
  const jobId = facts?.jobId ?? one(headers['x-inferq-job-id']) ?? asking.jobId
  const retryAfter = one(headers['retry-after'])
  const costUsd = one(headers['x-inferq-cost'])
  return {
    ...{ client, kind, startedAt, status },
    ...(user === undefined ? {} : { user }),
    ...(key === undefined ? {} : { key }),
    ...(expected === undefined ? {} : { expected }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(costUsd === undefined ? {} : { costNanoUsd: Math.round(Number(costUsd) * 1e9) }),
    ...factsOf(how, facts),
    ...(jobId === undefined ? {} : { jobId }),
    endedAt: how === 'hung' ? null : Date.now(),
    ended: endOf(how, facts),
  }
}

/** Of a body that broke off, what had come. */
function factsOf(how: string, facts: ReturnType<BodyReader['facts']> | undefined): Partial<ClientRequest> {
  if (facts === undefined) return {}
  const { ended, ...rest } = facts
  if (how === 'ended' || ended === 'terminal' || ended === 'error') return rest
  return rest.text === undefined ? {} : { text: rest.text }
}

function endOf(how: Awaited<ReturnType<typeof send>>, facts: ReturnType<BodyReader['facts']> | undefined) {
  if (how === 'hung') return null
  const isOver = facts?.ended === 'terminal' || facts?.ended === 'error'
  if (how === 'ended' || (how === 'cut' && isOver)) return facts?.ended ?? 'whole'
  return how
}

const never = new AbortController().signal

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
