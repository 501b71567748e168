import { setTimeout as sleep } from 'node:timers/promises'
import type { JobView } from '@inferq/contracts'
import type { ClientRequest, History, UpstreamCall } from '../history/history.ts'
import { prices as usualPrices } from '../system/config.ts'
import type { LedgerCall } from '../system/system.ts'
import type { KnownFaults, LoadOptions } from './load.ts'
import { openBill } from './read-bill.ts'
import type { Recorder } from './recorder.ts'

export interface HistorySources {
  readonly options: LoadOptions
  readonly recorder: Recorder
  readonly faults: KnownFaults
}

const usualSettleMs = 60_000
const lookEveryMs = 200
const viewsAtOnce = 16
const viewWithinMs = 60_000
const answerWithinMs = 15_000

/** What the clients have seen, together with what the system and its upstream say when all is over. */
export async function readHistory({ options, recorder, faults }: HistorySources): Promise<History> {
  const { system } = options
  const { accepted, readers, requests } = recorder
  const jobIds = accepted.map(({ jobId }) => jobId)
  const billable = requests.filter(isBillable).flatMap(({ jobId }) => jobId ?? [])
  const askedFor = [...new Set([...jobIds, ...requests.flatMap(({ jobId }) => jobId ?? [])])]
  const withinMs = options.patience?.settleMs ?? usualSettleMs
  const bill = await openBill(system.postgres.url)
  try {
    // What does not come true in time is for the rules to find.
    await settled(withinMs, async () => (await system.upstream.inFlight()) === 0)
    await settled(withinMs, async () => (await bill.countOpen(jobIds)) === 0)
    await settled(withinMs, async () => (await bill.countBilled(billable)) >= new Set(billable).size)
    const calls = byUser(await system.upstream.ledger())
    return {
      ...{ accepted, readers, requests, calls },
      jobs: await readViews(options, jobIds),
      records: await bill.readRecords(jobIds),
      usage: await bill.readUsage(askedFor),
      attempts: await bill.readAttempts(askedFor),
      upstream: answeredByJob(calls, [...accepted, ...requests]),
      redisLosses: faults.redisLosses ?? [],
      ...(faults.disturbances === undefined ? {} : { disturbances: faults.disturbances }),
      prices: options.prices ?? usualPrices,
    }
  } finally {
    await bill.close()
  }
}

/** Somebody has a whole answer to it. */
function isBillable({ kind, status, ended }: ClientRequest): boolean {
  const isAnswer = kind === 'stream' || kind === 'whole' || kind === 'embedding'
  return isAnswer && status === 200 && (ended === 'whole' || ended === 'terminal')
}

async function settled(withinMs: number, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await isSo()) && performance.now() < deadline) await sleep(lookEveryMs)
}

function byUser(ledger: readonly LedgerCall[]): ReadonlyMap<string, readonly LedgerCall[]> {
  return Map.groupBy(ledger, ({ user }) => user)
}

function answeredByJob(
  calls: ReadonlyMap<string, readonly LedgerCall[]>,
  named: readonly { readonly jobId?: string; readonly user?: string }[],
): ReadonlyMap<string, readonly UpstreamCall[]> {
  const byJob = new Map<string, readonly UpstreamCall[]>()
  for (const { jobId, user } of named) {
    if (jobId === undefined || user === undefined) continue
    const answered = (calls.get(user) ?? []).filter(({ outcome }) => outcome === 'answered')
    if (answered.length > 0) byJob.set(jobId, answered)
  }
  return byJob
}

/** Every job as an ingress tells it; those that nobody knows are left out. Rejects when no ingress gives an answer. */
async function readViews(options: LoadOptions, jobIds: readonly string[]): Promise<ReadonlyMap<string, JobView>> {
  const views = new Map<string, JobView>()
  let next = 0
  const loop = async (): Promise<void> => {
    for (let jobId = jobIds[next++]; jobId !== undefined; jobId = jobIds[next++]) {
      const view = await readView(options, jobId, next)
      if (view !== undefined) views.set(jobId, view)
    }
  }
  await Promise.all(Array.from({ length: viewsAtOnce }, loop))
  return views
}

async function readView({ system }: LoadOptions, jobId: string, turn: number): Promise<JobView | undefined> {
  const { ingresses, masterKey } = system
  const deadline = performance.now() + viewWithinMs
  for (let attempt = turn; ; attempt += 1) {
    const url = `${ingresses[attempt % ingresses.length]?.url}/v1/jobs/${jobId}`
    const headers = { authorization: `Bearer ${masterKey}` }
    const answer = await fetch(url, { headers, signal: AbortSignal.timeout(answerWithinMs) })
      .then(async (response) => ({ status: response.status, body: await response.text() }))
      .catch((cause: unknown) => ({ status: 0, body: String(cause) }))
    if (answer.status === 200) return JSON.parse(answer.body) as JobView
    if (answer.status === 404 || answer.status === 410) return undefined
    if (performance.now() > deadline) throw new Error(`GET ${url}: ${answer.status} ${answer.body.slice(0, 500)}`)
    await sleep(lookEveryMs)
  }
}
