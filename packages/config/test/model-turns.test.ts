import { expect, it } from 'vitest'
import { load } from './support.ts'

const file = (rest: string) => `
model_list:
  - {model_name: a, litellm_params: {model: ollama/a, api_base: "http://gpu:11434"}}
  - {model_name: b, litellm_params: {model: ollama/b, api_base: "http://gpu:11434", keep_alive: 5m}}
  - {model_name: c, litellm_params: {model: hosted_vllm/c, api_base: "http://gpu:8000"}}
${rest}`

it('reads what loading a model costs, and asks Ollama to keep one that costs something', () => {
  const { classes, deployments } = load(
    file('classes: {a: {swap_cost_s: 2.5}, b: {swap_cost_s: 4}, c: {swap_cost_s: 9}}'),
  )
  expect([classes['a']?.swapCostSeconds, classes['b']?.swapCostSeconds]).toEqual([2.5, 4])
  expect(deployments.map(({ options }) => options)).toEqual([{ keep_alive: '30m' }, { keep_alive: '5m' }, {}])
})

it('leaves the time a model stays to Ollama where loading costs nothing or nobody has said', () => {
  const { classes, deployments } = load(file('classes: {a: {swap_cost_s: 0, options: {num_ctx: 512}}}'))
  expect(classes['b']).not.toHaveProperty('swapCostSeconds')
  expect(deployments[0]?.options).toEqual({ num_ctx: 512 })
})

it('reads how models take turns', () => {
  const { workers } = load(file('workers: {max_loaded_models: 2, model_dwell_s: 0, model_ageing_s: 90.5}'))
  expect(workers).toMatchObject({ maxLoadedModels: 2, modelDwellSeconds: 0, modelAgeingSeconds: 90.5 })
})
