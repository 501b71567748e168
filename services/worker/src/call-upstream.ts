import type { Deployment } from '@inferq/config'
import { type EndPayload, InferqError, type JobSpec, type TokenUsage } from '@inferq/contracts'
import type { CallReport } from '@inferq/health'
import { estimatePromptTokens } from '@inferq/routing'
import { operations } from './operations/index.ts'
import type { OperationContext, OperationResult } from './operations/operation.ts'
import type { AttemptContext } from './run-attempt.ts'
import { isPlainChat, readShownText } from './shown-output.ts'

export type UpstreamResult =
  /** `usage` is that of the calls; `end.usage` that of the whole answer as its reader sees it. */
  | {
      readonly kind: 'answer'
      readonly usage: TokenUsage
      readonly end: Pick<EndPayload, 'result' | 'finishReason' | 'usage'>
    }
  | { readonly kind: 'rejected'; readonly usage: TokenUsage; readonly reason: string }

/** Rough, and only where nothing better is known: English has about four characters to a token. */
const charactersPerToken = 4

/**
 * Makes the attempt's calls at one deployment. Where readers have the beginning of an answer, the deployment goes on after
 * it if it can; else they are told that it is void. Rejects with InferqError or the signal's reason; what was used by then
 * is counted on the attempt.
 */
export async function callUpstream(
  context: AttemptContext,
  deployment: Deployment,
  call: CallReport,
  signal: AbortSignal,
): Promise<UpstreamResult> {
  const { attempt, begun, candidate, upstreams, meter } = context
  const { spec } = begun.record
  const model = candidate?.model ?? spec.model
  const upstreamModel = context.router().upstreamModel(deployment, model)
  const lease = upstreams.lease(deployment)
  // Whatever failed may have been a job's own fault, in a call for several: it tries again without the others.
  const provider = begun.record.tries === 0 ? lease.provider : lease.ungathered
  const operation = (continueFrom?: string): Promise<OperationResult> => {
    const callContext: OperationContext = {
      spec,
      provider,
      upstreamModel,
      contextWindow: deployment.contextWindow,
      writer: attempt.writer,
      signal,
      meter,
      ...(continueFrom === undefined ? {} : { continueFrom }),
      ...(candidate?.verify === true && spec.cascade !== undefined ? { verify: spec.cascade } : {}),
      onFirstToken() {
        const firstTokenMs = attempt.markFirstToken()
        if (firstTokenMs !== undefined) call.responded(firstTokenMs)
      },
    }
    return operations[spec.operation](callContext)
  }

  try {
    signal.throwIfAborted()
    attempt.serve(deployment, model, upstreamModel)
    const prefix = await prefixFor(context, lease.provider.continuesPrefix)
    if (prefix === null) return asAnswer(await operation(), spec)
    attempt.goOn(model)
    try {
      return asAnswer(await operation(prefix), spec, prefix)
    } catch (thrown) {
      // It took the prefix for a bad request: then it is not one to go on, and the answer starts over.
      const isRefusal = thrown instanceof InferqError && thrown.code === 'upstream_invalid_request'
      if (!isRefusal || attempt.writer.shownOutput || signal.aborted) throw thrown
      attempt.startOver(model)
      return asAnswer(await operation(), spec)
    }
  } catch (thrown) {
    if (meter.characters > 0) attempt.count(brokenOff(spec, meter.characters))
    throw thrown
  } finally {
    lease.release()
  }
}

/** What the call is to go on from; null when it starts over, which its readers have been told then. */
async function prefixFor(context: AttemptContext, continues: boolean): Promise<string | null> {
  const { begun, attempt, candidate, tokenLog } = context
  if (!begun.shown) return null
  const { spec } = begun.record
  const fits = continues && candidate?.verify !== true && isPlainChat(spec.operation, spec.request)
  const prefix = fits ? await readShownText(tokenLog, spec.id) : null
  if (prefix === null) attempt.startOver(candidate?.model ?? spec.model)
  return prefix
}

function asAnswer(result: OperationResult, spec: JobSpec, prefix?: string): UpstreamResult {
  if (result.kind === 'rejected') return result
  const { kind, usage, ...end } = result
  return {
    kind,
    usage,
    end: {
      ...end,
      usage: prefix === undefined ? usage : wholeUsage(usage, estimatePromptTokens(spec.request), prefix),
    },
  }
}

/** To this call the answer's beginning was part of the prompt; to the reader it is part of the answer. */
function wholeUsage(usage: TokenUsage, promptTokens: number, prefix: string): TokenUsage {
  const prefixTokens = Math.ceil(prefix.length / charactersPerToken)
  return {
    ...usage,
    promptTokens: Math.max(promptTokens, usage.promptTokens - prefixTokens),
    completionTokens: usage.completionTokens + prefixTokens,
    estimated: true,
  }
}

function brokenOff(spec: JobSpec, characters: number): TokenUsage {
  return {
    promptTokens: estimatePromptTokens(spec.request),
    completionTokens: Math.ceil(characters / charactersPerToken),
    estimated: true,
  }
}
