import { setTimeout as sleep } from 'node:timers/promises'

/** How one streamed request went. Times in ms since it was due. */
export interface Answer {
  readonly status: number
  /** NaN: there was no text. */
  readonly firstTokenMs: number
  readonly totalMs: number
  /** Pieces of text that came. */
  readonly tokens: number
  /** It came to its end. */
  readonly isWhole: boolean
}

/** Sends the requests at times of a Poisson process, whatever becomes of the earlier ones; resolves when all have ended. */
export async function sendOpenLoop(
  { perSecond, seconds, random }: { readonly perSecond: number; readonly seconds: number; random(): number },
  send: () => Promise<Response>,
): Promise<readonly Answer[]> {
  const answers: Promise<Answer>[] = []
  const startedAt = performance.now()
  let dueMs = 0
  while (dueMs < seconds * 1000) {
    const waitMs = startedAt + dueMs - performance.now()
    if (waitMs > 1) await sleep(waitMs)
    answers.push(read(send(), startedAt + dueMs))
    dueMs += (-Math.log(1 - random()) * 1000) / perSecond
  }
  return Promise.all(answers)
}

/** Keeps so many requests running until the time is up, as a static limit of concurrency would. */
export async function sendClosedLoop(
  { connections, seconds }: { readonly connections: number; readonly seconds: number },
  send: () => Promise<Response>,
): Promise<void> {
  const endsAt = performance.now() + seconds * 1000
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < endsAt) {
        const { status } = await read(send(), performance.now())
        // A backend that is full says so at once: an operator's client would wait as well.
        if (status !== 200) await sleep(50)
      }
    }),
  )
}

async function read(sent: Promise<Response>, dueAt: number): Promise<Answer> {
  const since = (): number => performance.now() - dueAt
  try {
    const response = await sent
    if (response.status !== 200 || response.body === null) {
      await response.arrayBuffer()
      return { status: response.status, firstTokenMs: Number.NaN, totalMs: since(), tokens: 0, isWhole: false }
    }
    let firstTokenMs = Number.NaN
    let tokens = 0
    let text = ''
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
      const found = piece.split('"content":"').length - 1
      if (found > 0 && Number.isNaN(firstTokenMs)) firstTokenMs = since()
      tokens += found
      text = (text + piece).slice(-40)
    }
    return { status: 200, firstTokenMs, totalMs: since(), tokens, isWhole: text.includes('[DONE]') }
  } catch {
    return { status: 0, firstTokenMs: Number.NaN, totalMs: since(), tokens: 0, isWhole: false }
  }
}
