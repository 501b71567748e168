import { StringDecoder } from 'node:string_decoder'
import type { Dispatcher } from 'undici'

export interface Sending {
  readonly origin: string
  readonly path: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  /** The whole exchange, and between two bytes of the answer; after that it hangs. */
  readonly patience: { readonly wholeMs: number; readonly silentMs: number }
  /** The client goes away. */
  readonly leave: AbortSignal
  /** Nobody waits any longer: what has not ended by now hangs. */
  readonly giveUp: AbortSignal
  /** The answer begins; what takes its text. */
  onHead(status: number, headers: AnswerHeaders): (text: string) => void
}

export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>

/** `ended`: properly, by the server. `cut`: refused, reset, or broken off. `hung`: not within its patience. */
export type HowItEnded = 'ended' | 'cut' | 'left' | 'hung'

/** One HTTP exchange, to its end. Rejects only with what `onHead` or its taker have thrown. */
export async function send(dispatcher: Dispatcher, sending: Sending): Promise<HowItEnded> {
  const { origin, path, method, headers, body, patience, leave, giveUp, onHead } = sending
  const abort = new AbortController()
  let why: 'left' | 'hung' | undefined
  let taking = false
  const end = (reason: 'left' | 'hung'): void => {
    why ??= reason
    abort.abort()
  }
  const onLeave = (): void => end('left')
  const onGiveUp = (): void => end('hung')
  const whole = setTimeout(onGiveUp, patience.wholeMs)
  const silence = setTimeout(onGiveUp, patience.silentMs)
  leave.addEventListener('abort', onLeave, { once: true })
  giveUp.addEventListener('abort', onGiveUp, { once: true })
  if (leave.aborted) onLeave()
  if (giveUp.aborted) onGiveUp()
  try {
    const answer = await dispatcher.request({
      ...{ origin, path, method, headers, signal: abort.signal },
      ...(body === undefined ? {} : { body }),
    })
    taking = true
    const take = onHead(answer.statusCode, answer.headers)
    const decoder = new StringDecoder('utf8')
    taking = false
    for await (const bytes of answer.body as AsyncIterable<Buffer>) {
      silence.refresh()
      taking = true
      take(decoder.write(bytes))
      taking = false
    }
    return 'ended'
  } catch (thrown) {
    if (taking) throw thrown
    return why ?? 'cut'
  } finally {
    clearTimeout(whole)
    clearTimeout(silence)
    leave.removeEventListener('abort', onLeave)
    giveUp.removeEventListener('abort', onGiveUp)
  }
}
