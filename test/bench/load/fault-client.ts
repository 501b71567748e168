import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'undici'
import { createStreamCheck } from './answers.ts'
import { bodyOf } from './call.ts'
import { createEventsCheck } from './events-check.ts'
import type { ChatCall, Endpoint, FaultedRequest } from './protocol.ts'
import { isRetryable, requestAsSdk } from './sdk-retries.ts'

export interface FaultClientOptions {
  readonly pool: Pool
  readonly endpoint: Endpoint
  readonly call: ChatCall
  readonly random: () => number
  /** Text has come. */
  readonly onText: () => void
}

/** One request of a client that does as OpenAI's SDKs do: an answer that has begun and breaks off is lost. */
export async function askAsSdk({ pool, endpoint, call, random, onText }: FaultClientOptions): Promise<FaultedRequest> {
  const check = createStreamCheck(call.expected, (piece) => {
    onText()
    return piece
  })
  let begun = false
  try {
    const send = () =>
      pool.request({
        path: `${new URL(endpoint.baseUrl).pathname}/chat/completions`,
        method: 'POST',
        headers: { ...endpoint.headers, 'content-type': 'application/json' },
        body: bodyOf(call),
      })
    const { statusCode, body } = await requestAsSdk(send, random)
    if (statusCode !== 200) {
      await body.dump()
      return { lost: `status ${statusCode}`, begun, resumed: 0 }
    }
    begun = true
    for await (const chunk of body.setEncoding('utf8')) check.take(chunk)
    return { lost: check.fault(), begun, resumed: 0 }
  } catch (thrown) {
    return { lost: describe(thrown), begun, resumed: 0 }
  }
}

const reconnectAfterMs = 500
/** Whoever reads on gives up when nothing has worked for so long. */
const givesUpAfterMs = 60_000

/**
 * One request of a client that does as docs/guarantees.md says: a job under an Idempotency-Key, submitted until it is
 * accepted; its events read on from the last id it saw, until the one that ends them.
 */
export async function askAsReader({ pool, endpoint, call, onText }: FaultClientOptions): Promise<FaultedRequest> {
  const { pathname } = new URL(endpoint.baseUrl)
  const check = createEventsCheck(call.expected, onText)
  const idempotencyKey = randomUUID()
  let jobId: string | undefined
  let resumed = 0
  let lost = ''
  for (let workedAt = performance.now(); performance.now() - workedAt < givesUpAfterMs; await sleep(reconnectAfterMs)) {
    try {
      if (jobId === undefined) {
        const response = await pool.request({
          path: `${pathname}/jobs`,
          method: 'POST',
          headers: { ...endpoint.headers, 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
          body: JSON.stringify({ type: 'completion', request: JSON.parse(bodyOf({ ...call, stream: false })) }),
        })
        const answer = (await response.body.json()) as { readonly id?: unknown }
        if (typeof answer.id !== 'string') {
          lost = `status ${response.statusCode}`
          if (isRetryable(response.statusCode)) continue
          break
        }
        jobId = answer.id
      }
      const after = check.lastId === undefined ? {} : { 'last-event-id': check.lastId }
      const { statusCode, body } = await pool.request({
        path: `${pathname}/jobs/${jobId}/events`,
        method: 'GET',
        headers: { ...endpoint.headers, ...after },
      })
      if (statusCode === 200) {
        for await (const chunk of body.setEncoding('utf8')) {
          check.take(chunk)
          workedAt = performance.now()
        }
      } else {
        await body.dump()
        lost = `status ${statusCode}`
      }
    } catch (thrown) {
      lost = describe(thrown)
    }
    if (check.hasEnded) return { lost: check.fault(), begun: true, resumed }
    check.restart()
    resumed += jobId === undefined ? 0 : 1
  }
  return { lost: lost === '' ? 'no end of its events' : lost, begun: jobId !== undefined, resumed }
}

function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  return 'code' in thrown ? String(thrown.code) : thrown.message
}
