import { type CompletionSink, createCollector } from '@inferq/providers'
import type { Operation, OperationContext } from './operation.ts'

/** A chat completion: one call, streamed into the log when the job asks for it. */
export const completeChat: Operation = (context) => complete(context, 'chat')

/** A legacy text completion. */
export const completeText: Operation = (context) => complete(context, 'text')

/** A kept answer travels through Redis whole. */
const maxOutputBytes = 16 * 1024 * 1024

async function complete(context: OperationContext, operation: 'chat' | 'text') {
  const { spec, provider, writer, signal, onFirstToken } = context
  const collector = spec.stream && spec.keepResult ? createCollector(operation, { maxOutputBytes }) : undefined
  let isFirst = true
  const first = (): void => {
    isFirst = false
    onFirstToken()
  }
  const sink: CompletionSink = {
    text(text) {
      if (isFirst) first()
      collector?.text(text)
      writer.text(text)
    },
    deltas(deltas) {
      if (isFirst) first()
      collector?.deltas(deltas)
      writer.deltas(deltas)
    },
  }
  const call = { request: spec.request, stream: spec.stream, signal, requestId: spec.requestId }
  const outcome = await provider[operation](call, sink)
  const result =
    outcome.result ??
    collector?.result({
      id: spec.id,
      model: spec.model,
      created: Math.floor(spec.createdAt / 1000),
      usage: outcome.usage,
    })
  return {
    usage: outcome.usage,
    ...(outcome.finishReason === undefined ? {} : { finishReason: outcome.finishReason }),
    ...(result === undefined ? {} : { result }),
  }
}
