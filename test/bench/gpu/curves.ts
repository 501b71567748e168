import type { ModelScript } from '@inferq/simulator'

/** How a backend behaves as its batch grows. */
export interface Curve {
  readonly name: string
  readonly what: string
  readonly script: ModelScript
}

const pace = { ttftMs: 80, interTokenMs: 20, tokens: 60, jitter: 0.2 } as const

/** Assumed shapes, not measurements of a GPU: each meets another limit first. */
export const curves: readonly Curve[] = [
  {
    name: 'memory',
    what: 'KV cache for about 65 answers halfway, then preemption; 2 % slower with each further answer',
    script: { ...pace, batchSlowdown: 0.02, kvTokens: 3_000, slots: 256, maxQueued: 1_024 },
  },
  {
    name: 'slots',
    what: '24 at once, eight wait, then 503; 3 % slower with each further answer',
    script: { ...pace, batchSlowdown: 0.03, slots: 24, maxQueued: 8 },
  },
  {
    name: 'compute',
    what: 'memory for all, 12 % slower with each further answer: the gain fades',
    script: { ...pace, batchSlowdown: 0.12, slots: 256, maxQueued: 1_024, kvTokens: 1_000_000 },
  },
]

/** A prompt of about 20 tokens. */
export const question = 'Say in a few words what a queue is good for, and for whom it is.'
