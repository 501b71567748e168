import type { ModelScript } from '@inferq/simulator'

/** Tokens of every answer but the slow one's. */
const tokens = 20

/** The upstream's models, by what the bench asks of them. */
export const models = {
  /** Answers at once. */
  instant: 'bench-instant',
  /** First token after 50 ms, the rest with it. */
  after50ms: 'bench-50ms',
  /** First token after 10 ms, then one every millisecond. */
  stream: 'bench-stream',
  /** 20 tokens a second for two seconds. */
  slow: 'bench-slow',
  /** No worker serves its class: its jobs wait. */
  parked: 'bench-parked',
} as const

/** About how long an answer of the slow model takes. */
export const slowStreamMs = 2_000

export const modelScripts: Readonly<Record<string, ModelScript>> = {
  [models.instant]: { tokens },
  [models.after50ms]: { tokens, ttftMs: 50 },
  [models.stream]: { tokens, ttftMs: 10, interTokenMs: 1 },
  [models.slow]: { tokens: 40, ttftMs: 20, interTokenMs: 50 },
  [models.parked]: { tokens },
}

const workedClass = 'bench'
const parkedClass = 'bench-parked'

/** The classes a worker of the bench serves. */
export const workedClasses: readonly string[] = [workedClass]

/** inferq's configuration: the upstream behind its OpenAI adapter, defaults everywhere else. */
export function inferqConfig(upstreamUrl: string): object {
  return {
    model_list: Object.values(models).map((name) => ({
      model_name: name,
      litellm_params: { model: `openai/${name}`, api_base: `${upstreamUrl}/v1`, api_key: 'unused' },
      model_info: { class: name === models.parked ? parkedClass : workedClass },
    })),
  }
}
