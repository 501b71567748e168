import type { ModelScript } from './script.ts'

/** The models of the embedded default: slow enough to watch, and saying what they are. */
export const demoModels: Readonly<Record<string, ModelScript>> = {
  simulated: {
    label: '[simulated answer, no model is configured]',
    ttftMs: 150,
    interTokenMs: 25,
    jitter: 0.3,
  },
  'simulated-embedding': { embedding: { fixedMs: 5, perTokenMs: 0.02 } },
}
