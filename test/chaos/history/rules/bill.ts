import { countAttempts, type JobView } from '@inferq/contracts'
import type { AttemptRow, ClientRequest, History, UpstreamCall, UsageRow, Violation } from '../history.ts'
import { mayHaveLostInteractive } from './losses.ts'

/** The bill of an accepted job: one row, of tokens that one call has used, and of their price. */
export function checkJobBill(history: History, job: JobView): Violation[] {
  const jobId = job.id
  const rows = history.usage.get(jobId) ?? []
  const [row] = rows
  if (rows.length !== 1 || row === undefined) {
    return [{ rule: 'billed-once', jobId, detail: `${rows.length} rows on the bill` }]
  }
  if (job.status !== 'completed') return []
  const isEstimate = row.estimated === true || job.usage?.estimated === true
  return [
    ...(isEstimate ? [] : checkTokens(jobId, row, history.upstream.get(jobId) ?? [])),
    ...checkCost(history, job, row),
  ]
}

/**
 * The bill of an answer that a client has got: one row, with the cost that the answer named. None only where Redis lost what
 * it held at that time; never two.
 */
export function checkAnswerBill(history: History, request: ClientRequest): Violation[] {
  const { jobId, kind, status, ended, startedAt, endedAt, costNanoUsd } = request
  const isAnswer = kind === 'stream' || kind === 'whole' || kind === 'embedding'
  if (!isAnswer || jobId === undefined || status !== 200) return []
  const rows = history.usage.get(jobId) ?? []
  const [row] = rows
  if (rows.length > 1) return [{ rule: 'answer-is-billed', jobId, detail: `${rows.length} rows on the bill` }]
  if (ended !== 'whole' && ended !== 'terminal') return []
  if (row === undefined) {
    const mayBeLost = mayHaveLostInteractive(history, { from: startedAt, to: endedAt ?? startedAt })
    return mayBeLost ? [] : [{ rule: 'answer-is-billed', jobId, detail: 'it was answered, and is not on the bill' }]
  }
  const toldOtherwise = costNanoUsd !== undefined && costNanoUsd !== row.costNanoUsd
  return [
    ...(row.estimated === true ? [] : checkTokens(jobId, row, history.upstream.get(jobId) ?? [])),
    ...(toldOtherwise
      ? [{ rule: 'money-is-right', jobId, detail: `billed ${row.costNanoUsd}, told ${costNanoUsd}` } as const]
      : []),
  ]
}

/** What every attempt of anybody cost is its tokens at the price of the model that served it. */
export function checkAttemptCosts({ attempts, prices }: Pick<History, 'attempts' | 'prices'>): Violation[] {
  return [...attempts].flatMap(([jobId, rows]) =>
    rows
      .filter((row) => row.costNanoUsd !== priceOf(row, prices))
      .map((row): Violation => {
        const { attempt, model, promptTokens, completionTokens, costNanoUsd } = row
        const counted = `${promptTokens} + ${completionTokens} of ${model}`
        const detail = `attempt ${attempt} cost ${costNanoUsd}; ${counted} cost ${priceOf(row, prices)}`
        return { rule: 'money-is-right', jobId, detail }
      }),
  )
}

function checkTokens(jobId: string, row: UsageRow, calls: readonly UpstreamCall[]): Violation[] {
  const isOfACall = calls.some(
    ({ promptTokens, completionTokens }) =>
      promptTokens === row.promptTokens && completionTokens === (row.completionTokens ?? 0),
  )
  if (isOfACall) return []
  const counted = `${row.promptTokens} + ${row.completionTokens}`
  return [{ rule: 'bill-is-the-upstreams', jobId, detail: `billed ${counted} tokens, which no call has used` }]
}

/**
 * A completed job costs what the attempt that ended it cost, and those that one continued (docs/prices.md,
 * docs/job-lifecycle.md). An attempt whose output was void is on nobody's bill.
 */
function checkCost({ attempts }: Pick<History, 'attempts'>, job: JobView, { costNanoUsd }: UsageRow): Violation[] {
  const rows = attempts.get(job.id)
  if (rows === undefined) return []
  const right = costOfParts(job, rows)
  if (costNanoUsd === right) return []
  const others = rows.length > 1 && right !== null && (costNanoUsd ?? 0) > right
  const rule = others ? 'superseded-is-not-billed' : 'money-is-right'
  return [{ rule, jobId: job.id, detail: `billed ${costNanoUsd} nano-USD instead of ${right}` }]
}

function costOfParts({ attempts }: JobView, rows: readonly AttemptRow[]): number | null {
  const costs = new Map(rows.map(({ attempt, costNanoUsd }) => [countAttempts(attempt), costNanoUsd]))
  const last = attempts.findLastIndex(({ outcome }) => outcome === 'completed')
  let sum = costs.get(attempts[last]?.attempt ?? Number.NaN) ?? null
  let isPart = attempts[last]?.continued === true
  for (const { attempt, continued, usage } of attempts.slice(0, Math.max(0, last)).toReversed()) {
    if (sum === null || !isPart) break
    // A worker that was lost has counted nothing: who goes on after it goes on after the one before, too.
    if (usage === null && !continued) continue
    const cost = costs.get(attempt)
    if (usage !== null) sum = typeof cost === 'number' ? sum + cost : null
    isPart = continued
  }
  return sum
}

function priceOf({ model, promptTokens, completionTokens }: AttemptRow, prices: History['prices']): number | null {
  const price = prices.get(model ?? '')
  if (price === undefined || promptTokens === null) return null
  return Math.round(promptTokens * price.input + (completionTokens ?? 0) * price.output)
}
