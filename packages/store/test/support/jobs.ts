import type { EndMessage, JobSpec, StartMessage } from '@inferq/contracts'
import { createJobSpec } from '@inferq/testkit'

/** Long past, so that a test can tell its own times from the database's. */
const createdAt = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

export function jobSpec(overrides: Partial<JobSpec> = {}): JobSpec {
  const candidates = [{ model: 'small', class: 'gpu', deployments: ['gpu-1'] }]
  return createJobSpec({ model: 'small', candidates, owner: 'owner', createdAt, metadata: { doc: '42' }, ...overrides })
}

export function startOf(spec: JobSpec): StartMessage {
  return { kind: 'start', jobId: spec.id, attempt: 1, at: spec.createdAt + 1_000 }
}

export function endOf(spec: JobSpec, overrides: Partial<EndMessage> = {}): EndMessage {
  const startedAt = spec.createdAt + 1_000
  const endedAt = spec.createdAt + 3_000
  return {
    kind: 'end',
    jobId: spec.id,
    status: 'completed',
    type: spec.type,
    operation: spec.operation,
    mode: spec.mode,
    tier: spec.tier,
    owner: spec.owner,
    model: spec.model,
    servedModel: spec.candidates[0]?.model ?? spec.model,
    class: 'gpu',
    requestId: spec.requestId,
    metadata: spec.metadata,
    createdAt: spec.createdAt,
    endedAt,
    attempts: [
      {
        attempt: 1,
        hop: 0,
        class: 'gpu',
        worker: 'w1',
        startedAt,
        endedAt,
        deployment: 'gpu-1',
        outcome: 'completed',
        usage: { promptTokens: 10, completionTokens: 20 },
        costNanoUsd: 1_234,
      },
    ],
    deployment: 'gpu-1',
    timings: { startedAt, endedAt, firstTokenAt: startedAt + 200 },
    usage: { promptTokens: 10, completionTokens: 20 },
    costNanoUsd: 1_234,
    finishReason: 'stop',
    result: { object: 'chat.completion', choices: [] },
    ...overrides,
  }
}
