import { readFileSync } from 'node:fs'
import type { FleetJob } from './fleet.ts'

const tiers = ['priority', 'default', 'flex'] as const

/**
 * Arrivals from a file of JSON objects, one a line, in any order: `at_s`, `tenant`, `model`, `prompt_tokens`,
 * `answer_tokens`, and, where they are not the default, `tier` and `weight`. Throws with the number of a bad line.
 */
export function readTrace(file: string): FleetJob[] {
  const jobs: FleetJob[] = []
  for (const [index, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    if (line.trim() === '') continue
    try {
      jobs.push(parseArrival(JSON.parse(line)))
    } catch (cause) {
      throw new Error(`${file}, line ${index + 1}: ${cause instanceof Error ? cause.message : cause}`, { cause })
    }
  }
  if (jobs.length === 0) throw new Error(`${file}: no arrivals`)
  return jobs.sort((a, b) => a.at - b.at)
}

function parseArrival(value: unknown): FleetJob {
  if (typeof value !== 'object' || value === null) throw new Error('not an object')
  const fields = value as Readonly<Record<string, unknown>>
  const number = (name: string, atLeast: number, otherwise?: number): number => {
    const found = fields[name] ?? otherwise
    if (typeof found === 'number' && Number.isFinite(found) && found >= atLeast) return found
    throw new Error(`${name} must be a number of at least ${atLeast}`)
  }
  const text = (name: string): string => {
    const found = fields[name]
    if (typeof found === 'string' && found !== '') return found
    throw new Error(`${name} must be a text`)
  }
  const tier = tiers.find((one) => one === (fields['tier'] ?? 'default'))
  if (tier === undefined) throw new Error(`tier must be one of ${tiers.join(', ')}`)
  return {
    at: number('at_s', 0),
    tenant: text('tenant'),
    weight: number('weight', 0.001, 1),
    tier,
    modelClass: text('model'),
    promptTokens: number('prompt_tokens', 0),
    answerTokens: number('answer_tokens', 1),
  }
}
