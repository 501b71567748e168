import { availableParallelism, cpus, release, totalmem, type } from 'node:os'

/** What the figures depend on; nothing that tells whose machine it is. */
export interface Machine {
  readonly cores: number
  readonly cpu: string
  readonly memoryGib: number
  readonly kernel: string
  readonly node: string
}

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${/^\d+\.\d+(\.\d+)?/.exec(release())?.[0] ?? ''}`.trim(),
    node: process.version,
  }
}
