import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ModelStats, ScriptPatch, Stats } from '@inferq/simulator'
import { modelScripts } from './models.ts'
import { answers, freePort, type Program, startProgram } from './program.ts'
import type { Target } from './target.ts'

export interface UpstreamSimulator extends Program {
  readonly url: string
}

/** The upstream of every target, and what the load generator measures itself against. */
export async function startSimulator(folder: string, environment: NodeJS.ProcessEnv): Promise<UpstreamSimulator> {
  const config = join(folder, 'simulator.json')
  writeFileSync(config, JSON.stringify({ models: modelScripts, strictModels: true, keptRequests: 1 }))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const main = fileURLToPath(import.meta.resolve('@inferq/simulator')).replace(/index\.ts$/, 'main.ts')
  const program = await startProgram({
    name: 'simulator',
    args: ['--disable-warning=ExperimentalWarning', main, '--port', String(port), '--config', config],
    environment,
    folder,
    ready: () => answers(`${url}/health`),
  })
  return { ...program, url }
}

/** What the upstream has done for a model since its start, and what it is doing. */
export async function readUpstream({ url }: UpstreamSimulator, model: string): Promise<ModelStats> {
  const response = await fetch(`${url}/__sim/stats`)
  const stats = (await response.json()) as Stats
  const found = stats.models[model]
  if (found === undefined) throw new Error(`the simulator has no model ${model}`)
  return found
}

/** Changes how the upstream answers for a model. */
export async function patchModel({ url }: UpstreamSimulator, model: string, patch: ScriptPatch): Promise<void> {
  const response = await fetch(`${url}/__sim/models/${model}`, { method: 'POST', body: JSON.stringify(patch) })
  if (!response.ok) throw new Error(`the simulator refuses the script: ${await response.text()}`)
}

/** No gateway at all. */
export function createDirectTarget(upstreamUrl: string): Target {
  return {
    name: 'direct',
    description: 'the load generator calls the simulator itself',
    version: '',
    endpoint: { name: 'direct', baseUrl: `${upstreamUrl}/v1`, headers: {} },
    processes: [],
    async stop() {},
  }
}
