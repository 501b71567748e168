import { pick } from '../run/random.ts'
import type { Fault } from './fault.ts'
import { repeatedly } from './repeatedly.ts'

/** By the upstream's own names. Only `chat` has a fallback; `*` is everything it serves. */
const struckModels = ['chat', '*'] as const

const cutEveryMs = 1_000
/** Words that no other answer has, so that it is seen where they end up: about 1 MB. */
const giganticText = 'gigantic '.repeat(120_000)

const usageLies: readonly object[] = [
  { prompt_tokens: -5, completion_tokens: -1, total_tokens: -6 },
  { prompt_tokens: 'many', completion_tokens: null, total_tokens: {} },
  { prompt_tokens: 1e21, completion_tokens: 0.5, total_tokens: 1e300 },
]

export const upstreamFaults: readonly Fault[] = [
  {
    name: 'upstream-refused',
    room: 'upstream',
    description: 'connections to the upstream are refused',
    lastsMs: [1_000, 8_000],
    async inject({ upstream: { proxy } }) {
      proxy.refuse()
      proxy.reset()
      return { target: 'all models', heal: async () => proxy.pass() }
    },
  },
  {
    name: 'upstream-reset',
    room: 'upstream',
    description: 'connections to the upstream are reset in mid-stream, again and again',
    lastsMs: [500, 5_000],
    async inject({ upstream: { proxy } }) {
      return { target: 'all models', heal: await repeatedly(cutEveryMs, () => proxy.reset()) }
    },
  },
  {
    name: 'upstream-blackhole',
    room: 'upstream',
    description: 'nothing gets through to the upstream and back; connections stay',
    lastsMs: [2_000, 8_000],
    async inject({ upstream: { proxy } }) {
      proxy.blackhole()
      return { target: 'all models', heal: async () => proxy.pass() }
    },
  },
  scripted('upstream-hangs-before', 'answers never begin', [2_000, 8_000], () => ({ hang: 'before-first-token' })),
  scripted('upstream-hangs-after', 'answers stop after three tokens, and never go on', [2_000, 6_000], () => ({
    hang: { afterTokens: 3 },
  })),
  scripted('upstream-503', 'nearly every call is answered 503', [2_000, 8_000], () => ({
    fault: { status: 503, rate: 0.9 },
  })),
  scripted('upstream-429', 'every call is answered 429, and told to come again in a second', [2_000, 6_000], () => ({
    fault: { status: 429, retryAfterS: 1 },
  })),
  scripted('upstream-500', 'half of the calls are answered 500', [2_000, 8_000], () => ({
    fault: { status: 500, rate: 0.5 },
  })),
  scripted('upstream-drips', 'answers arrive a few bytes at a time', [3_000, 8_000], () => ({
    slowBody: { bytes: 16, everyMs: 10 },
  })),
  scripted('upstream-malformed', 'a chunk in every answer is no JSON', [2_000, 8_000], () => ({ malformedAfter: 2 })),
  scripted('upstream-cut', 'every answer is cut after four tokens', [2_000, 8_000], () => ({ cutAfter: 4 })),
  scripted('upstream-error-event', 'every answer ends with an error after two tokens', [2_000, 8_000], () => ({
    errorAfter: 2,
  })),
  scripted('upstream-wrong-usage', 'the counts of tokens are nonsense', [3_000, 8_000], (random) => ({
    usage: pick(random, usageLies),
  })),
  scripted('upstream-no-usage', 'no tokens are counted', [3_000, 8_000], () => ({ noUsage: true })),
  scripted('upstream-gigantic', 'every answer is a megabyte', [300, 1_000], () => ({
    text: giganticText,
    interTokenMs: 0,
  })),
]

/** A fault that the simulator plays, for one model that has a fallback, or for all. */
function scripted(
  name: string,
  description: string,
  lastsMs: readonly [min: number, max: number],
  patchOf: (random: () => number) => object,
): Fault {
  return {
    name,
    room: 'upstream',
    description,
    lastsMs,
    async inject({ upstream }, random) {
      const model = pick(random, struckModels)
      const patch = patchOf(random)
      await upstream.script(model, patch)
      const undo = Object.fromEntries(Object.keys(patch).map((field) => [field, null]))
      return {
        target: model === '*' ? 'all models' : model,
        heal: () => upstream.script(model, undo),
      }
    },
  }
}
