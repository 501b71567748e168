import { describe, expect, it } from 'vitest'
import { meanSlots, totalSlots, type WorkerRegistration } from '../src/index.ts'

const worker = (overrides: Partial<WorkerRegistration> = {}): WorkerRegistration => ({
  ...{ id: 'w', host: 'h', pid: 1, gpu: null, classes: ['gpu'], limit: 2, inFlight: 0, startedAt: 0, lastBeatAt: 1 },
  ...{ state: 'running', fingerprint: 'f' },
  ...overrides,
})

const lane = (name: string, limit: number, slots: number) => ({
  ...{ class: name, limit, configured: 8, slots, inFlight: 0, held: null, load: null },
})

const workers = [
  worker(),
  worker({ limit: 8, classes: ['gpu', 'embed'] }),
  worker({ limit: 32, classes: ['embed'] }),
  worker({ limit: 64, state: 'draining', lanes: [lane('gpu', 64, 64)] }),
  worker({ classes: ['gpu', 'embed'], lanes: [lane('gpu', 1, 3), lane('embed', 0, 8)] }),
  worker({ lanes: [lane('gpu', 6, 6)] }),
]

describe('the slots of a class', () => {
  it('are together those of the workers that serve it and take new jobs', () => {
    expect(totalSlots(workers, 'gpu')).toBe(2 + 4 + 3 + 6)
    expect(totalSlots(workers, 'embed')).toBe(4 + 32)
    expect(totalSlots([], 'gpu')).toBe(0)
  })

  it('are in the mean those of a worker that takes its jobs now, and tells so', () => {
    expect(meanSlots(workers, 'gpu')).toBe((3 + 6) / 2)
    expect(meanSlots(workers, 'embed')).toBeNull()
    expect(meanSlots([], 'gpu')).toBeNull()
  })
})
