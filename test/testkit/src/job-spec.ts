import type { JobSpec } from '@inferq/contracts'
import { createId } from '@inferq/runtime'

/** A job as an ingress would accept it now: an asynchronous, streamed chat completion. */
export function createJobSpec(overrides: Partial<JobSpec> = {}): JobSpec {
  const createdAt = overrides.createdAt ?? Date.now()
  const model = overrides.model ?? 'chat'
  return {
    id: createId('job'),
    type: 'completion',
    operation: 'chat',
    request: { model, messages: [{ role: 'user', content: 'Hi' }] },
    model,
    candidates: [{ model, class: 'gpu', deployments: ['gpu-1'] }],
    owner: 'master',
    tier: 'default',
    mode: 'async',
    stream: true,
    keepResult: true,
    createdAt,
    startBy: createdAt + 60_000,
    finishBy: createdAt + 120_000,
    metadata: {},
    requestId: createId('req'),
    ...overrides,
  }
}
