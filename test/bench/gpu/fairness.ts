import { setTimeout as sleep } from 'node:timers/promises'
import type { LedgerCall, LedgerPage } from '@inferq/simulator'
import { jainIndex } from '../fleet/figures.ts'
import { percentilesOf } from '../measure/statistics.ts'
import type { Workplace } from '../session.ts'
import { question } from './curves.ts'
import { type Rig, withRig } from './rig.ts'

export interface FairnessResult {
  /** What single jobs of new tenants waited behind another's thousand, in service times. */
  readonly newcomers: { readonly p50: number; readonly max: number; readonly count: number }
  /** Of two tenants of equal weight, one with ten times the jobs of the other, while both had some waiting. */
  readonly jain: number
  /** Shares of three tenants, over what their weights 1, 2 and 4 give them; 1 is exact. */
  readonly byWeight: readonly number[]
}

const model = 'gpu'
const slots = 4
const script = { ttftMs: 40, interTokenMs: 4, tokens: 40, jitter: 0.3, slots: 64 }
const many = 1_000
const newcomers = 20

/** On one GPU with four slots. Who was served is the backend's word. */
export async function benchFairness(workplace: Workplace): Promise<FairnessResult> {
  const options = {
    simulator: { models: { [model]: script }, ledger: true },
    config: (url: string) => ({
      model_list: [
        {
          model_name: model,
          litellm_params: { model: `openai/${model}`, api_base: `${url}/v1`, api_key: 'unused' },
          model_info: { class: model },
        },
      ],
      classes: { [model]: { concurrency: slots } },
      shares: { tenants: { one: 1, two: 2, four: 4 } },
    }),
  }
  return withRig(workplace, options, async (rig) => {
    const send = (tenant: string, count: number) =>
      rig.submit(
        Array.from({ length: count }, () => jobOf(tenant)),
        tenant,
      )
    workplace.progress('fairness: newcomers against a thousand')
    await send('many', many)
    const stopWorker = await rig.startWorker(model)
    await untilServed(rig, 20)
    const waits: number[] = []
    for (let turn = 0; turn < newcomers; turn++) {
      const [id] = await send(`new-${turn}`, 1)
      waits.push(await waitOf(rig, id ?? ''))
    }
    const calls = await readLedger(rig)
    const lasted = calls.flatMap(({ startedAt, endedAt }) => (endedAt === null ? [] : [endedAt - startedAt]))
    const serviceSeconds = lasted.reduce((sum, ms) => sum + ms, 0) / lasted.length / 1000
    const relative = waits.map((wait) => wait / serviceSeconds)
    await stopWorker()

    // What is left of the thousand waits on: one more tenant of the same weight as the others.
    workplace.progress('fairness: ten to one')
    const skewed = await servedOf(rig, () => Promise.all([send('busy', 600), send('calm', 60)]), ['busy', 'calm'], 60)
    workplace.progress('fairness: weights')
    const weighted = await servedOf(
      rig,
      () => Promise.all([send('one', 300), send('two', 600), send('four', 1_200)]),
      ['one', 'two', 'four'],
      1_050,
    )
    const whole = weighted.reduce((sum, tokens) => sum + tokens, 0)
    return {
      newcomers: { p50: percentilesOf(relative).p50, max: Math.max(...relative), count: relative.length },
      jain: jainIndex(skewed),
      byWeight: weighted.map((tokens, place) => tokens / whole / ([1, 2, 4][place] ?? Number.NaN) / (1 / 7)),
    }
  })
}

function jobOf(user: string) {
  const request = { model, user, messages: [{ role: 'user', content: question }] }
  return { type: 'completion', request } as const
}

/** Tokens served to each, of the first `count` jobs of theirs that were started after a worker came to the full queue. */
async function servedOf(
  rig: Rig,
  fill: () => Promise<unknown>,
  tenants: readonly string[],
  count: number,
): Promise<readonly number[]> {
  await fill()
  const stopWorker = await rig.startWorker(model)
  const ofThem = async () => (await readLedger(rig)).filter(({ user }) => tenants.includes(user))
  let calls: readonly LedgerCall[] = []
  do {
    await sleep(200)
    calls = await ofThem()
  } while (calls.length < count)
  await stopWorker()
  const first = calls.slice(0, count)
  return tenants.map((tenant) =>
    first
      .filter(({ user }) => user === tenant)
      .reduce((sum, call) => sum + call.promptTokens + call.completionTokens, 0),
  )
}

async function untilServed(rig: Rig, count: number): Promise<void> {
  while ((await readLedger(rig)).length < count) await sleep(50)
}

/** In seconds, from the acceptance to the start. */
async function waitOf(rig: Rig, id: string): Promise<number> {
  while (true) {
    const { timings } = (await rig.get(`/v1/jobs/${id}`)) as { readonly timings: { readonly queued_ms: number | null } }
    if (timings.queued_ms !== null) return timings.queued_ms / 1000
    await sleep(20)
  }
}

async function readLedger({ simulator }: Rig): Promise<readonly LedgerCall[]> {
  const response = await fetch(`${simulator.url}/__sim/ledger`)
  return ((await response.json()) as LedgerPage).calls
}
