import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom, percentilesOf } from '../measure/statistics.ts'
import type { Workplace } from '../session.ts'
import { question } from './curves.ts'
import { type Answer, sendOpenLoop } from './load.ts'
import { type Rig, withRig } from './rig.ts'

/** Time to the first token of interactive requests, with and without a batch that fills the rest, in turns. */
export interface LaneResult {
  readonly alone: readonly number[]
  readonly besideBatch: readonly number[]
  /** Tokens a second of the backend. */
  readonly tokensAlone: number
  readonly tokensBeside: number
}

const model = 'gpu'
const slots = 16
const script = { ttftMs: 150, interTokenMs: 12, tokens: 60, jitter: 0.2, batchSlowdown: 0.01, slots: 64 }
/** Of the slots, in the mean. */
const interactiveShare = 0.4
const rounds = 3
const seconds = 15
/** At the beginning of each round, until as many interactive requests run as in the mean. */
const settleSeconds = 3
const lines = 3_000

export async function benchLane(workplace: Workplace): Promise<LaneResult> {
  const options = {
    simulator: { models: { [model]: script } },
    config: (url: string) => ({
      model_list: [
        {
          model_name: model,
          litellm_params: { model: `openai/${model}`, api_base: `${url}/v1`, api_key: 'unused' },
          model_info: { class: model },
        },
      ],
      classes: { [model]: { concurrency: slots } },
    }),
  }
  return withRig(workplace, options, async (rig) => {
    await rig.startWorker(model)
    const lastsSeconds = (script.ttftMs + script.tokens * script.interTokenMs) / 1000
    const perSecond = (interactiveShare * slots) / lastsSeconds
    const body = { model, stream: true, messages: [{ role: 'user', content: question }] }
    const random = createRandom(3)
    const tokens = (): number => rig.simulator.stats().models[model]?.generatedTokens ?? 0
    const load = async (): Promise<{ readonly answers: readonly Answer[]; readonly tokens: number }> => {
      const send = () => rig.post('/v1/chat/completions', body)
      const settling = sendOpenLoop({ perSecond, seconds: settleSeconds, random }, send)
      await sleep(settleSeconds * 1000)
      const before = tokens()
      const startedAt = performance.now()
      const answers = await sendOpenLoop({ perSecond, seconds, random }, send)
      await settling
      return { answers, tokens: ((tokens() - before) * 1000) / (performance.now() - startedAt) }
    }
    await load()
    const alone: { firstTokenMs: number[]; tokens: number[] } = { firstTokenMs: [], tokens: [] }
    const beside: typeof alone = { firstTokenMs: [], tokens: [] }
    for (let round = 1; round <= rounds; round++) {
      workplace.progress(`batch lane: round ${round} of ${rounds}, alone`)
      keep(alone, await load())
      workplace.progress(`batch lane: round ${round} of ${rounds}, beside a batch`)
      const id = await startBatch(rig)
      keep(beside, await load())
      await rig.post(`/v1/batches/${id}/cancel`, {})
      while ((await statusOf(rig, id)) !== 'cancelled') await sleep(100)
    }
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
    return {
      alone: Object.values(percentilesOf(alone.firstTokenMs)),
      besideBatch: Object.values(percentilesOf(beside.firstTokenMs)),
      tokensAlone: mean(alone.tokens),
      tokensBeside: mean(beside.tokens),
    }
  })
}

function keep(
  into: { readonly firstTokenMs: number[]; readonly tokens: number[] },
  { answers, tokens }: { readonly answers: readonly Answer[]; readonly tokens: number },
): void {
  const wrong = answers.filter(({ isWhole }) => !isWhole)
  if (wrong.length > 0) throw new Error(`${wrong.length} requests were not answered: ${wrong[0]?.status}`)
  into.firstTokenMs.push(...answers.map(({ firstTokenMs }) => firstTokenMs))
  into.tokens.push(tokens)
}

/** Resolves when its first lines run. */
async function startBatch(rig: Rig): Promise<string> {
  const url = '/v1/chat/completions'
  const body = { model, messages: [{ role: 'user', content: question }] }
  const text = Array.from({ length: lines }, (_, line) =>
    JSON.stringify({ custom_id: `line-${line}`, method: 'POST', url, body }),
  ).join('\n')
  const input = await rig.upload(text)
  const response = await rig.post('/v1/batches', { input_file_id: input, endpoint: url, completion_window: '24h' })
  const { id } = (await response.json()) as { readonly id: string }
  const before = rig.simulator.stats().models[model]?.calls ?? 0
  while ((await statusOf(rig, id)) !== 'in_progress') await sleep(100)
  while ((rig.simulator.stats().models[model]?.calls ?? 0) < before + slots / 2) await sleep(50)
  return id
}

async function statusOf(rig: Rig, id: string): Promise<string> {
  return ((await rig.get(`/v1/batches/${id}`)) as { readonly status: string }).status
}
