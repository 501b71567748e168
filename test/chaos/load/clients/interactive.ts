import { createChunkReader, createJsonReader } from '../body-reader.ts'
import type { Client } from '../client.ts'
import { describeVectors, drawChat, drawEmbedding } from '../draw.ts'

/** Asks for one streamed answer after another. */
export async function runStreamingClient(client: Client): Promise<void> {
  await eachRequest(client, async (name) => {
    const chat = drawChat(client.random, client.context.options, name)
    const wantsUsage = client.random() < 0.5
    await client.askUntilAnswered((attempt) => {
      const user = `${name}.${attempt}`
      return {
        ...{ kind: 'stream', method: 'POST', path: '/v1/chat/completions', user },
        body: {
          ...chat.body(user),
          stream: true,
          ...(wantsUsage ? { stream_options: { include_usage: true } } : {}),
        },
        ...(chat.expected === undefined ? {} : { expected: chat.expected }),
        reader: () => createChunkReader(),
      }
    })
  })
}

/** Asks for one answer in one piece after another. */
export async function runWholeClient(client: Client): Promise<void> {
  await eachRequest(client, async (name) => {
    const chat = drawChat(client.random, client.context.options, name)
    await client.askUntilAnswered((attempt) => {
      const user = `${name}.${attempt}`
      return {
        ...{ kind: 'whole', method: 'POST', path: '/v1/chat/completions', user, body: chat.body(user) },
        ...(chat.expected === undefined ? {} : { expected: chat.expected }),
        reader: (status) =>
          createJsonReader(status, ({ choices }) => {
            const content = choices?.[0]?.message?.content
            return typeof content === 'string' ? { text: content } : { malformed: 'an answer without content' }
          }),
      }
    })
  })
}

export async function runEmbeddingClient(client: Client): Promise<void> {
  await eachRequest(client, async (name) => {
    const embedding = drawEmbedding(client.random, name)
    await client.askUntilAnswered((attempt) => {
      const user = `${name}.${attempt}`
      return {
        ...{ kind: 'embedding', method: 'POST', path: '/v1/embeddings', user, body: embedding.body(user) },
        ...(embedding.expected === undefined ? {} : { expected: embedding.expected }),
        reader: (status) => createJsonReader(status, ({ data }) => ({ text: describeVectors(data) })),
      }
    })
  })
}

/** One request after another, with a name each, until the load stops. */
export async function eachRequest(client: Client, run: (name: string) => Promise<void>): Promise<void> {
  for (let number = 1; !client.context.stopping.aborted; number += 1) {
    await run(`${client.name}-${number}`)
    await client.think()
  }
}
