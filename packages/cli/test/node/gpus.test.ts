import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findGpus, parseGpus, pinGpus } from '../../src/node/gpus.ts'
import { planLanes } from '../../src/node/plan-lanes.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'inferq-gpus-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function fakeNvidiaSmi(script: string): { readonly PATH: string } {
  const file = join(folder, 'nvidia-smi')
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o755)
  return { PATH: `${folder}:/usr/bin:/bin` }
}

const two = parseGpus('0, GPU-aaaa, NVIDIA H100 80GB HBM3, 81559\n1, GPU-abbb, NVIDIA GB10, [N/A]\n') ?? []
const found = { kind: 'found', gpus: two } as const

describe('looking for GPUs', () => {
  it('reads what nvidia-smi lists, also where a GPU shares the memory of the machine', () => {
    expect(two).toEqual([
      { index: 0, uuid: 'GPU-aaaa', name: 'NVIDIA H100 80GB HBM3', memoryMib: 81_559 },
      { index: 1, uuid: 'GPU-abbb', name: 'NVIDIA GB10', memoryMib: undefined },
    ])
  })

  it('asks for what it reads', async () => {
    const variables = fakeNvidiaSmi(
      '[ "$*" = "--query-gpu=index,uuid,name,memory.total --format=csv,noheader,nounits" ] && echo "0, GPU-a, A, 1024"',
    )
    expect(await findGpus(variables)).toEqual({
      kind: 'found',
      gpus: [{ index: 0, uuid: 'GPU-a', name: 'A', memoryMib: 1024 }],
    })
  })

  it('tells no GPU from a driver that does not answer', async () => {
    expect(await findGpus({ PATH: folder })).toMatchObject({ kind: 'none' })
    expect(await findGpus(fakeNvidiaSmi('echo "No devices were found"; exit 6'))).toMatchObject({ kind: 'none' })
    const broken = fakeNvidiaSmi('echo "NVIDIA-SMI has failed because it cannot talk to the driver."; exit 9')
    expect(await findGpus(broken)).toEqual({
      kind: 'failed',
      reason: 'NVIDIA-SMI has failed because it cannot talk to the driver.',
    })
    expect(await findGpus(fakeNvidiaSmi('echo "something else"'))).toMatchObject({ kind: 'failed' })
  })
})

describe('pinning to a GPU', () => {
  it('counts as nvidia-smi does, however the GPU was named', () => {
    for (const name of ['1', 'GPU-abbb', 'GPU-ab']) {
      expect(pinGpus(name, found)).toEqual({
        label: '1 NVIDIA GB10',
        variables: { CUDA_DEVICE_ORDER: 'PCI_BUS_ID', CUDA_VISIBLE_DEVICES: '1' },
      })
    }
  })

  it('takes several for a model that is spread over them', () => {
    expect(pinGpus('0,1', found).variables['CUDA_VISIBLE_DEVICES']).toBe('0,1')
  })

  it.each(['2', 'GPU-', 'GPU-c', 'gpu-0', ''])('refuses "%s", which is none or more than one', (name) => {
    expect(() => pinGpus(name, found)).toThrow(`there is no GPU ${name} on this machine`)
  })

  it('believes a name where nobody can look, and says so', () => {
    const none = { kind: 'none', reason: 'no nvidia-smi' } as const
    expect(pinGpus('3', none)).toMatchObject({ label: '3', unchecked: 'no nvidia-smi' })
    expect(pinGpus('3', none).variables['CUDA_VISIBLE_DEVICES']).toBe('3')
    expect(pinGpus('blue-card', none).variables).toEqual({})
  })
})

describe('the workers of a node', () => {
  const facts = { hostname: 'n1', search: found, visibleDevices: undefined, metricsPort: 9100 }
  const wishes = { backendTimeout: 900 }

  it('are one for each GPU, each with its own name, port and backend', () => {
    const lanes = planLanes({ ...wishes, backend: 'http://127.0.0.1:810{gpu}', backendPort: 8100 }, facts)
    expect(lanes.map((lane) => lane.args.join(' '))).toEqual([
      'worker --id n1-gpu0 --gpu 0 --backend http://127.0.0.1:8100 --backend-port 8100 --backend-timeout 900',
      'worker --id n1-gpu1 --gpu 1 --backend http://127.0.0.1:8101 --backend-port 8101 --backend-timeout 900',
    ])
    expect(lanes.map((lane) => lane.variables)).toEqual([
      { INFERQ_METRICS_PORT: '9100' },
      { INFERQ_METRICS_PORT: '9101' },
    ])
  })

  it('are only for the GPUs that were chosen, by the option or else the environment', () => {
    const labels = (gpus: string | undefined, visibleDevices?: string): string[] =>
      planLanes({ ...wishes, ...(gpus === undefined ? {} : { gpus }) }, { ...facts, visibleDevices }).map(
        ({ label }) => label,
      )
    expect(labels('1')).toEqual(['GPU 1'])
    expect(labels(undefined, 'GPU-abbb')).toEqual(['GPU 1'])
    expect(labels('0', '1')).toEqual(['GPU 0'])
    expect(labels('all')).toEqual(['GPU 0', 'GPU 1'])
    expect(labels('none')).toEqual(['CPU'])
    expect(() => labels('5')).toThrow('there is no GPU 5 on this machine')
  })

  it('are one on the processor where there is no GPU, and none where the driver is broken', () => {
    const none = { kind: 'none', reason: 'no nvidia-smi' } as const
    expect(planLanes(wishes, { ...facts, search: none })).toMatchObject([{ label: 'CPU' }])
    expect(() => planLanes({ ...wishes, gpus: '0' }, { ...facts, search: none })).toThrow('there is no GPU 0 here')
    const failed = { kind: 'failed', reason: 'no driver' } as const
    expect(() => planLanes(wishes, { ...facts, search: failed })).toThrow('it fails: no driver')
    expect(planLanes({ ...wishes, gpus: 'none' }, { ...facts, search: failed })).toHaveLength(1)
  })
})
