import type { TokenUsage } from '@inferq/contracts'
import { type Collector, type CompletionSink, createCollector, type ProviderCall } from '@inferq/providers'
import type { Operation, OperationAnswer, OperationContext } from './operation.ts'
import { createVerification } from './verification.ts'

/** A chat completion: one call, streamed into the log when the job asks for it. */
export const completeChat: Operation = (context) => complete(context, 'chat')

/** A legacy text completion. */
export const completeText: Operation = (context) => complete(context, 'text')

/** A kept answer travels through Redis whole. */
const maxOutputBytes = 16 * 1024 * 1024

async function complete(context: OperationContext, operation: 'chat' | 'text') {
  const { spec, provider, writer, continueFrom, verify } = context
  if (verify !== undefined) return completeVerified(context, operation)
  const collector = spec.stream && spec.keepResult ? createCollector(operation, { maxOutputBytes }) : undefined
  if (continueFrom !== undefined) collector?.text(continueFrom)
  const sink = createSink(context, collector, writer)
  const outcome = await provider[operation](callOf(context, spec.request), sink)
  const result = outcome.result ?? collector?.result(metaOf(context, outcome.usage))
  return answer(outcome.usage, outcome.finishReason, result)
}

/** Holds the answer back until it has stood the cascade's check; then shows it as if it had just come. */
async function completeVerified(context: OperationContext, operation: 'chat' | 'text') {
  const { spec, provider, writer } = context
  const verification = createVerification(spec)
  const collector = createCollector(operation, { maxOutputBytes })
  const held: ((sink: CompletionSink) => void)[] = []
  const sink = createSink(context, collector, {
    text: (text) => void held.push((to) => to.text(text)),
    deltas: (deltas) => void held.push((to) => to.deltas(verification.asAsked(deltas))),
  })
  const outcome = await provider[operation](callOf(context, verification.request), sink)
  const whole = outcome.result ?? collector.result(metaOf(context, outcome.usage))
  const rejection = verification.judge(whole, outcome.usage)
  if (rejection !== null) return { kind: 'rejected', usage: outcome.usage, reason: rejection } as const
  for (const show of held) show(writer)
  const isResult = outcome.result !== undefined || spec.keepResult
  return answer(outcome.usage, outcome.finishReason, isResult ? verification.resultAsAsked(whole) : undefined)
}

function answer(usage: TokenUsage, finishReason: string | undefined, result: unknown): OperationAnswer {
  return {
    kind: 'answer',
    usage,
    ...(finishReason === undefined ? {} : { finishReason }),
    ...(result === undefined ? {} : { result }),
  }
}

function callOf(context: OperationContext, request: ProviderCall['request']): ProviderCall {
  const { spec, signal, upstreamModel, continueFrom } = context
  return {
    request,
    stream: spec.stream,
    signal,
    requestId: spec.requestId,
    model: upstreamModel,
    ...(continueFrom === undefined ? {} : { continueFrom }),
  }
}

function metaOf({ spec }: OperationContext, usage: TokenUsage) {
  return { id: spec.id, model: spec.model, created: Math.floor(spec.createdAt / 1000), usage }
}

function createSink(context: OperationContext, collector: Collector | undefined, to: CompletionSink): CompletionSink {
  const { meter, onFirstToken } = context
  let isFirst = true
  const first = (): void => {
    isFirst = false
    onFirstToken()
  }
  return {
    text(text) {
      if (isFirst) first()
      meter.characters += text.length
      collector?.text(text)
      to.text(text)
    },
    deltas(deltas) {
      if (isFirst) first()
      collector?.deltas(deltas)
      to.deltas(deltas)
    },
  }
}
