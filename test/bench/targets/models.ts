import type { ModelScript } from '@inferq/simulator'

/** Tokens of every answer but the slow one's. */
const tokens = 20

/** The upstream's models, by what the bench asks of them. */
export const models = {
  /** Answers at once. */
  instant: 'bench-instant',
  /** As the instant one, in a class that has room for a quarter of 128 jobs: the others wait in line. */
  narrow: 'bench-narrow',
  /** First token after 50 ms, the rest with it. */
  after50ms: 'bench-50ms',
  /** First token after 10 ms, then one every millisecond. */
  stream: 'bench-stream',
  /** 20 tokens a second for two seconds. */
  slow: 'bench-slow',
  /** As the slow one, and each token ends with the moment it was emitted. */
  stamped: 'bench-stamped',
  /** Says the same whatever it is asked, at once: for prompts of any length. */
  fixed: 'bench-fixed',
  /** 40 tokens a second for a second, of a server that can go on after a given beginning, as vLLM can. */
  faulty: 'bench-faulty',
  /** No worker serves its class: its jobs wait. */
  parked: 'bench-parked',
} as const

/** About how long an answer of the slow model takes. */
export const slowStreamMs = 2_000

export const modelScripts: Readonly<Record<string, ModelScript>> = {
  [models.instant]: { tokens },
  [models.narrow]: { tokens },
  [models.after50ms]: { tokens, ttftMs: 50 },
  [models.stream]: { tokens, ttftMs: 10, interTokenMs: 1 },
  [models.slow]: { tokens: 40, ttftMs: 20, interTokenMs: 50 },
  [models.stamped]: { tokens: 40, ttftMs: 20, interTokenMs: 50, emitStamps: true },
  [models.fixed]: {
    text: 'One two three four five six seven eight nine ten, and ten more words make twenty-two of them here.',
  },
  [models.faulty]: { tokens: 40, ttftMs: 20, interTokenMs: 25 },
  [models.parked]: { tokens },
}

const workedClass = 'bench'
/** Behind vLLM's adapter: the worker holds it back as far as the backend's load says. */
const vllmClass = 'bench-vllm'
const parkedClass = 'bench-parked'
const narrowClass = 'bench-narrow'

/** The classes a worker of the bench serves. */
export const workedClasses: readonly string[] = [workedClass, vllmClass, narrowClass]

const ownClasses: Readonly<Record<string, string>> = {
  [models.parked]: parkedClass,
  [models.faulty]: vllmClass,
  [models.narrow]: narrowClass,
}

/** Jobs at once at the upstream: more than any cell asks for, as inferq's peers know no such limit. */
const concurrency = 1_000

/** inferq's configuration: the upstream behind its OpenAI adapter (vLLM's in the fault cell), defaults everywhere else. */
export function inferqConfig(upstreamUrl: string): object {
  return {
    model_list: Object.values(models).map((name) => ({
      model_name: name,
      litellm_params: {
        model: `${name === models.faulty ? 'hosted_vllm' : 'openai'}/${name}`,
        api_base: `${upstreamUrl}/v1`,
        api_key: 'unused',
      },
      model_info: { class: ownClasses[name] ?? workedClass },
    })),
    // As many wait as there are readers.
    classes: {
      [workedClass]: { concurrency },
      [narrowClass]: { concurrency: 32 },
      [parkedClass]: { max_queue: 1_000_000 },
    },
  }
}
