import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'

/** What OpenAI's SDKs do by default: `max_retries=2`, and these waits (openai-node, openai-python: `_calculate_retry_timeout`). */
const mostRetries = 2
const firstWaitMs = 500
const longestWaitMs = 8_000
const longestAskedWaitMs = 60_000

/** The request, sent again after a refused or broken connection, 408, 409, 429 and 5xx, until the head of an answer is there. */
export async function requestAsSdk(
  send: () => Promise<Dispatcher.ResponseData>,
  random: () => number,
): Promise<Dispatcher.ResponseData> {
  for (let retries = 0; ; retries += 1) {
    try {
      const response = await send()
      if (!isRetryable(response.statusCode) || retries === mostRetries) return response
      await response.body.dump()
      await sleep(waitBeforeRetryMs(retries, response.headers['retry-after'], random))
    } catch (thrown) {
      if (retries === mostRetries) throw thrown
      await sleep(waitBeforeRetryMs(retries, undefined, random))
    }
  }
}

export function isRetryable(status: number): boolean {
  return status === 408 || status === 409 || status === 429 || status >= 500
}

/** Doubled each time, shorter by up to a quarter, or what `Retry-After` says where that is under a minute. */
export function waitBeforeRetryMs(
  retries: number,
  retryAfter: string | string[] | undefined,
  random: () => number,
): number {
  const askedMs = Number(retryAfter) * 1000
  if (askedMs >= 0 && askedMs < longestAskedWaitMs) return askedMs
  return Math.min(firstWaitMs * 2 ** retries, longestWaitMs) * (1 - 0.25 * random())
}
