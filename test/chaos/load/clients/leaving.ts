import { between } from '../../run/random.ts'
import { createChunkReader } from '../body-reader.ts'
import { type Client, pause } from '../client.ts'
import { drawEndlessChat } from '../draw.ts'
import { eachRequest } from './interactive.ts'

/** Latest departure after the request was sent, wherever the answer is by then: some do not wait for its beginning. */
const earlyMs = [10, 300] as const
const staysMs = [1_000, 3_000] as const
const earlyShare = 0.3

/**
 * Asks for an answer without an end, and goes away: in the middle of the stream, before its first token, or while it waits for
 * an answer in one piece. What the upstream does for it has to stop then.
 */
export async function runLeavingClient(client: Client): Promise<void> {
  const { random, context } = client
  await eachRequest(client, async (user) => {
    const isStream = random() < 0.7
    const chunks = between(random, [1, 8])
    const leave = new AbortController()
    let seen = 0
    const onChunk = (): void => {
      seen += 1
      if (seen >= chunks) leave.abort()
    }
    const gone = pause(between(random, random() < earlyShare ? earlyMs : staysMs), context.giveUp).then(() =>
      leave.abort(),
    )
    await client.ask({
      ...{ kind: 'leave', method: 'POST', path: '/v1/chat/completions', user, leave: leave.signal },
      body: { ...drawEndlessChat(random, context.options).body(user), stream: isStream },
      ...(isStream ? { reader: () => createChunkReader(onChunk) } : {}),
    })
    await gone
  })
}
