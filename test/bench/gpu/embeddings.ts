import type { Workplace } from '../session.ts'
import { sendClosedLoop } from './load.ts'
import { type Rig, withRig } from './rig.ts'

/** Embeddings a second, and calls of the backend for them, over requests of one text each. */
export interface EmbeddingsResult {
  readonly gathered: { readonly perSecond: number; readonly calls: number }
  readonly alone: { readonly perSecond: number; readonly calls: number }
}

/** A call costs as much as it does to set a small GPU to work; a text more costs little. One call at once. */
const script = { embedding: { fixedMs: 40, perTokenMs: 0.05, batchExponent: 0.6, dimensions: 64 }, slots: 1 }
const connections = 64
const seconds = 8

export async function benchEmbeddings(workplace: Workplace): Promise<EmbeddingsResult> {
  const deployment = (name: string, url: string, more: object) => ({
    model_name: name,
    litellm_params: { model: `hosted_vllm/${name}`, api_base: `${url}/v1` },
    model_info: { mode: 'embedding', class: name, ...more },
  })
  const options = {
    simulator: { models: { gathered: script, alone: script } },
    config: (url: string) => ({
      model_list: [deployment('gathered', url, {}), deployment('alone', url, { max_batch_items: 1 })],
      classes: { gathered: { concurrency: connections }, alone: { concurrency: connections } },
    }),
  }
  return withRig(workplace, options, async (rig) => {
    await rig.startWorker('gathered', 'alone')
    const load = async (model: 'gathered' | 'alone') => {
      workplace.progress(`embeddings: ${model}`)
      await closedLoop(rig, model, 2)
      const before = countsOf(rig, model)
      await closedLoop(rig, model, seconds)
      const after = countsOf(rig, model)
      return { perSecond: (after.items - before.items) / seconds, calls: after.calls - before.calls }
    }
    return { gathered: await load('gathered'), alone: await load('alone') }
  })
}

async function closedLoop(rig: Rig, model: string, forSeconds: number): Promise<void> {
  let number = 0
  await sendClosedLoop({ connections, seconds: forSeconds }, () =>
    rig.post('/v1/embeddings', { model, input: `Text number ${number++} of many that are to be found again.` }),
  )
}

function countsOf({ simulator }: Rig, model: string): { readonly items: number; readonly calls: number } {
  const { embeddingItems = 0, embeddingCalls = 0 } = simulator.stats().models[model] ?? {}
  return { items: embeddingItems, calls: embeddingCalls }
}
