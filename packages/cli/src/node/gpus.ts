import { execFile } from 'node:child_process'
import { CommandError, exitCodes } from '../exit-codes.ts'
import type { Variables } from '../settings.ts'

export interface Gpu {
  /** In the order of the PCI bus, as nvidia-smi counts. */
  readonly index: number
  readonly uuid: string
  readonly name: string
  /** Undefined where the GPU shares the machine's memory and says nothing. */
  readonly memoryMib: number | undefined
}

export type GpuSearch =
  | { readonly kind: 'found'; readonly gpus: readonly Gpu[] }
  | { readonly kind: 'none'; readonly reason: string }
  /** There is a driver, and it does not answer: not the same as no GPU. */
  | { readonly kind: 'failed'; readonly reason: string }

/** What a worker is pinned to. */
export interface PinnedGpu {
  /** As others shall see it. */
  readonly label: string
  /** What is set for the processes that shall see this GPU alone. */
  readonly variables: Readonly<Record<string, string>>
  /** Why nobody has looked whether it is there. */
  readonly unchecked?: string
}

const program = 'nvidia-smi'
const query = ['--query-gpu=index,uuid,name,memory.total', '--format=csv,noheader,nounits']
const timeoutMs = 20_000

/** Asks nvidia-smi. Never throws. */
export function findGpus(variables: Variables): Promise<GpuSearch> {
  return new Promise((resolve) => {
    execFile(program, query, { env: { ...variables }, timeout: timeoutMs }, (error, stdout, stderr) => {
      if (error !== null && 'code' in error && error.code === 'ENOENT') {
        resolve({ kind: 'none', reason: 'nvidia-smi is not on the PATH' })
        return
      }
      const said = `${stdout}\n${stderr}`.trim()
      if (/no devices were found/i.test(said)) resolve({ kind: 'none', reason: 'nvidia-smi finds no GPU' })
      else if (error !== null) resolve({ kind: 'failed', reason: firstLine(said) ?? error.message })
      else resolve(searchOf(stdout))
    })
  })
}

/** One line of nvidia-smi for each GPU: `0, GPU-…, NVIDIA H100 80GB HBM3, 81559`. Null: it is written otherwise. */
export function parseGpus(text: string): readonly Gpu[] | null {
  const gpus: Gpu[] = []
  for (const line of text.split('\n').filter((part) => part.trim() !== '')) {
    const match = /^(\d+), ((?:GPU|MIG)-[\w-]+), (.+), ([^,]*)$/.exec(line.trim())
    if (match === null) return null
    const [, index = '', uuid = '', name = '', memory = ''] = match
    gpus.push({ index: Number(index), uuid, name, memoryMib: /^\d+$/.test(memory) ? Number(memory) : undefined })
  }
  return gpus
}

/**
 * The GPUs that an operator names by index or UUID, separated by commas; several make one place, for a model that is spread
 * over them. Where there is no nvidia-smi, the name is believed. Throws CommandError 3 naming those that are there.
 */
export function pinGpus(asked: string, search: GpuSearch): PinnedGpu {
  const names = asked.split(',').map((name) => name.trim())
  if (search.kind !== 'found') {
    const isDevice = names.every((name) => /^(\d+|(GPU|MIG)-[\w-]+)$/.test(name))
    return { label: asked, variables: isDevice ? visible(names) : {}, unchecked: search.reason }
  }
  const gpus = names.map((name) => gpuNamed(name, search.gpus))
  return {
    label: gpus.map(({ index, name }) => `${index} ${name}`).join(', '),
    variables: visible(gpus.map(({ index }) => String(index))),
  }
}

/** `0 (NVIDIA H100 80GB HBM3, 80 GiB)` */
export function describeGpu({ index, name, memoryMib }: Gpu): string {
  return `${index} (${name}${memoryMib === undefined ? '' : `, ${Math.round(memoryMib / 1024)} GiB`})`
}

function searchOf(stdout: string): GpuSearch {
  const gpus = parseGpus(stdout)
  if (gpus === null) return { kind: 'failed', reason: `nvidia-smi answers "${firstLine(stdout)}"` }
  return gpus.length === 0 ? { kind: 'none', reason: 'nvidia-smi lists no GPU' } : { kind: 'found', gpus }
}

function gpuNamed(name: string, gpus: readonly Gpu[]): Gpu {
  const isUuid = /^GPU-[\w-]+$/.test(name)
  const fitting = gpus.filter((gpu) => (isUuid ? gpu.uuid.startsWith(name) : String(gpu.index) === name))
  const [gpu] = fitting
  if (gpu !== undefined && fitting.length === 1) return gpu
  const message = `there is no GPU ${name} on this machine`
  throw new CommandError(exitCodes.configInvalid, message, `there are: ${gpus.map(describeGpu).join(', ')}`)
}

/**
 * By index and not by UUID: vLLM reads the variable itself and takes only numbers (vllm-project/vllm#32569). CUDA counts as
 * nvidia-smi does only when it is told to: its own order begins with the fastest.
 */
function visible(devices: readonly string[]): Readonly<Record<string, string>> {
  return { CUDA_DEVICE_ORDER: 'PCI_BUS_ID', CUDA_VISIBLE_DEVICES: devices.join(',') }
}

function firstLine(text: string): string | undefined {
  return text
    .split('\n')
    .find((line) => line.trim() !== '')
    ?.slice(0, 200)
}
