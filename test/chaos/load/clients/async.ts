import { between } from '../../run/random.ts'
import { createJsonReader } from '../body-reader.ts'
import type { Asked, Client } from '../client.ts'
import { type DrawnChat, drawChat, drawEmbedding } from '../draw.ts'
import { eachRequest } from './interactive.ts'
import { readJob } from './job-reader.ts'

/** Jobs of one client that are followed at the same time. */
const mostFollowed = 4
const usualCancelShare = 0.12

/**
 * Submits jobs: some with an Idempotency-Key, of these some twice; lets readers follow each, from its beginning and from some
 * time later; cancels some.
 */
export async function runAsyncClient(client: Client): Promise<void> {
  const following = new Set<Promise<unknown>>()
  await eachRequest(client, async (name) => {
    const jobId = await submit(client, name)
    if (jobId === undefined) return
    const followed: Promise<unknown> = follow(client, name, jobId).finally(() => following.delete(followed))
    following.add(followed)
    while (following.size >= mostFollowed) await Promise.race(following)
  })
  await Promise.all(following)
}

async function submit(client: Client, name: string): Promise<string | undefined> {
  const { random, context } = client
  const isChat = random() < 0.8
  const drawn = isChat ? drawChat(random, context.options, name) : drawEmbedding(random, name)
  const key = random() < 0.5 ? name : undefined
  const sendOnce = (): Promise<Asked | undefined> => submitOnce(client, name, isChat, drawn, key)
  const isTwice = key !== undefined && random() < 0.5
  if (!isTwice) return (await sendOnce())?.request.jobId
  if (random() < 0.5) return (await Promise.all([sendOnce(), sendOnce()])).find(isAccepted)?.request.jobId
  const first = await sendOnce()
  const second = await sendOnce()
  return [first, second].find(isAccepted)?.request.jobId
}

function isAccepted(asked: Asked | undefined): boolean {
  return asked?.request.jobId !== undefined
}

/** With a key it is the same request each time; without one each try is another job, which may have been accepted unseen. */
async function submitOnce(
  client: Client,
  name: string,
  isChat: boolean,
  drawn: DrawnChat,
  key: string | undefined,
): Promise<Asked | undefined> {
  const { recorder } = client.context
  const expected = isChat && drawn.expected !== undefined ? { expected: drawn.expected } : {}
  const asked = await client.askUntilAnswered((attempt) => {
    const user = key === undefined ? `${name}.${attempt}` : name
    return {
      ...{ kind: 'submit', method: 'POST', path: '/v1/jobs', user, ...expected },
      ...(key === undefined ? {} : { key }),
      body: {
        type: isChat ? 'completion' : 'embedding',
        request: drawn.body(user),
        metadata: { name },
      },
      reader: (status) =>
        createJsonReader(status, ({ id }) => (id === undefined ? { malformed: 'a job without an id' } : { jobId: id })),
    }
  })
  const { status, jobId, user = name } = asked?.request ?? {}
  if (asked === undefined || typeof status !== 'number' || status >= 300 || jobId === undefined) return undefined
  recorder.accept({ jobId, acceptedAt: Date.now(), user, ...expected })
  return asked
}

async function follow(client: Client, name: string, jobId: string): Promise<void> {
  const { random, context } = client
  const { cancelShare = usualCancelShare } = context.options
  const readers = [readJob(client, `${name}/first`, jobId)]
  if (random() < 0.4) readers.push(readLater(client, `${name}/later`, jobId, [50, 600]))
  if (random() < 0.2) readers.push(readLater(client, `${name}/late`, jobId, [1_000, 3_000]))
  if (random() < cancelShare) readers.push(cancel(client, jobId))
  await Promise.all(readers)
}

async function readLater(client: Client, name: string, jobId: string, range: readonly [number, number]): Promise<void> {
  await client.think(range)
  await readJob(client, name, jobId)
}

async function cancel(client: Client, jobId: string): Promise<void> {
  await client.think([0, between(client.random, [0, 600])])
  await client.askUntilAnswered(() => ({
    ...{ kind: 'cancel', method: 'POST', path: `/v1/jobs/${jobId}/cancel`, jobId },
    reader: (status) =>
      createJsonReader(status, ({ outcome }) => (outcome === undefined ? { malformed: 'no outcome' } : { outcome })),
  }))
}
