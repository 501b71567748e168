import { setTimeout as sleep } from 'node:timers/promises'
import { percentile } from '../measure/statistics.ts'
import type { Workplace } from '../session.ts'
import { question } from './curves.ts'
import { withRig } from './rig.ts'

/** Two models on one GPU that holds one of them. */
export interface SwapsResult {
  readonly name: string
  readonly swaps: number
  /** From acceptance to end, in seconds. */
  readonly p95Seconds: number
  readonly lastedSeconds: number
}

const models = ['left', 'right'] as const
const script = { ttftMs: 30, interTokenMs: 4, tokens: 30, swapMs: 700 }
const jobs = 100
const everyMs = 200
const concurrency = 4

/** The same mixed arrivals, in turn to both models: in one line, first come first served; and with a line for each model. */
export async function benchSwaps(workplace: Workplace): Promise<readonly SwapsResult[]> {
  const oneLine = await run(workplace, 'one line, first come first served', () => 'shared')
  const lines = await run(workplace, 'a line for each model, sticky', (model) => model)
  return [oneLine, lines]
}

async function run(workplace: Workplace, name: string, classOf: (model: string) => string): Promise<SwapsResult> {
  workplace.progress(`swaps: ${name}`)
  const classes = [...new Set(models.map(classOf))]
  const options = {
    simulator: { models: Object.fromEntries(models.map((model) => [model, script])), maxLoaded: 1 },
    config: (url: string) => ({
      model_list: models.map((model) => ({
        model_name: model,
        litellm_params: { model: `ollama/${model}`, api_base: url },
        model_info: { class: classOf(model) },
      })),
      classes: Object.fromEntries(classes.map((one) => [one, { concurrency, swap_cost_s: script.swapMs / 1000 }])),
    }),
  }
  return withRig(workplace, options, async (rig) => {
    await rig.startWorker(...classes)
    const swaps = (): number =>
      models.reduce((sum, model) => sum + (rig.simulator.stats().models[model]?.swaps ?? 0), 0)
    const startedAt = performance.now()
    const ids: string[] = []
    for (let place = 0; place < jobs; place++) {
      const model = models[place % 2] ?? 'left'
      const request = { model, messages: [{ role: 'user', content: question }] }
      ids.push(...(await rig.submit([{ type: 'completion', request }])))
      await sleep(Math.max(0, startedAt + (place + 1) * everyMs - performance.now()))
    }
    const took: number[] = []
    for (const id of ids) took.push(await timeOf(() => rig.get(`/v1/jobs/${id}`)))
    return {
      name,
      swaps: swaps(),
      p95Seconds: percentile(took, 0.95),
      lastedSeconds: (performance.now() - startedAt) / 1000,
    }
  })
}

interface EndedJob {
  readonly status: string
  readonly timings: { readonly duration_ms: number | null }
}

async function timeOf(read: () => Promise<unknown>): Promise<number> {
  while (true) {
    const { status, timings } = (await read()) as EndedJob
    if (timings.duration_ms !== null) {
      if (status !== 'completed') throw new Error(`a job ended as ${status}`)
      return timings.duration_ms / 1000
    }
    await sleep(50)
  }
}
