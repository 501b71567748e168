import { Agent } from 'undici'
import { createRandom } from '../run/random.ts'
import { type Client, createClient, type LoadContext, pause } from './client.ts'
import { runAsyncClient } from './clients/async.ts'
import { runEmbeddingClient, runStreamingClient, runWholeClient } from './clients/interactive.ts'
import { runLeavingClient } from './clients/leaving.ts'
import type { Load, LoadOptions } from './load.ts'
import { readHistory } from './read-history.ts'
import { createRecorder } from './recorder.ts'

const clientKinds: Readonly<Record<keyof LoadOptions['clients'], (client: Client) => Promise<void>>> = {
  async: runAsyncClient,
  streaming: runStreamingClient,
  whole: runWholeClient,
  embedding: runEmbeddingClient,
  leaving: runLeavingClient,
}

/** A connection that stays idle for this long is closed here, well before an ingress would. */
const keepAliveMs = 4_000
const connectWithinMs = 10_000

/** Ready to start. What its clients do follows from the seed, as far as the system lets them. */
export function createLoad(options: LoadOptions): Load {
  const recorder = createRecorder()
  const stopping = new AbortController()
  const giveUp = new AbortController()
  // Clients and what they are about to do; an answer may take as long as its client waits.
  const dispatcher = new Agent({
    ...{ pipelining: 1, headersTimeout: 0, bodyTimeout: 0 },
    keepAliveTimeout: keepAliveMs,
    connect: { timeout: connectWithinMs },
  })
  const context: LoadContext = {
    ...{ options, dispatcher, recorder },
    stopping: stopping.signal,
    giveUp: giveUp.signal,
  }
  let running: Promise<unknown> | undefined

  return {
    start() {
      running ??= Promise.all(
        clientsOf(options).map(async ({ kind, name, seed }, place) => {
          const client = createClient(name, createRandom(seed), context)
          // Not all at once.
          await pause(place * 37, stopping.signal)
          await clientKinds[kind](client)
        }),
      )
      // Told by `stop`.
      running.catch(() => {})
    },
    get counts() {
      return recorder.counts
    },
    async stop(patienceMs) {
      stopping.abort()
      const timer = setTimeout(() => giveUp.abort(), patienceMs)
      try {
        await running
      } finally {
        clearTimeout(timer)
        giveUp.abort()
        await dispatcher.destroy()
      }
    },
    history: (faults = {}) => readHistory({ options, recorder, faults }),
  }
}

interface NamedClient {
  readonly kind: keyof LoadOptions['clients']
  readonly name: string
  readonly seed: number
}

function clientsOf({ clients, seed }: LoadOptions): readonly NamedClient[] {
  const kinds = Object.keys(clientKinds) as (keyof typeof clientKinds)[]
  return kinds.flatMap((kind, row) =>
    Array.from({ length: clients[kind] }, (_, place) => ({
      ...{ kind, name: `${kind}-${place + 1}` },
      seed: Math.imul(seed, 65_599) + row * 1_009 + place,
    })),
  )
}
