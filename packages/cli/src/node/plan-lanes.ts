import { CommandError, exitCodes } from '../exit-codes.ts'
import { fillPlaces } from './command-line.ts'
import { describeGpu, type Gpu, type GpuSearch, pinGpus } from './gpus.ts'

/** One worker process of a node. */
export interface LanePlan {
  readonly label: string
  /** What it runs on, for the operator. */
  readonly description: string
  /** Arguments of `inferq`. */
  readonly args: readonly string[]
  /** Beside those of the node. */
  readonly variables: Readonly<Record<string, string>>
}

export interface NodeWishes {
  readonly config?: string
  readonly classes?: readonly string[]
  /** Those to use, by index or UUID; `none`: the processor alone. Default: all. */
  readonly gpus?: string
  /** `{gpu}` in it stands for the index. */
  readonly backend?: string
  readonly backendCommand?: string
  /** Of the first GPU's backend; the next ones follow. */
  readonly backendPort?: number
  readonly backendTimeout: number
  readonly drain?: number
}

export interface NodeFacts {
  readonly hostname: string
  readonly search: GpuSearch
  /** What the environment says: GPUs (CUDA_VISIBLE_DEVICES), where metrics are shown. */
  readonly visibleDevices: string | undefined
  readonly metricsPort: number | undefined
}

/**
 * A worker for each GPU, or one on the processor where there is none. Throws CommandError 3 for a GPU that is not there, and
 * for a driver that does not answer: a machine bought for its GPUs must not work without them in silence.
 */
export function planLanes(wishes: NodeWishes, facts: NodeFacts): readonly LanePlan[] {
  const gpus = chooseGpus(wishes.gpus ?? facts.visibleDevices, facts.search)
  if (gpus.length === 0) return [planLane(wishes, facts, undefined, 0)]
  return gpus.map((gpu, place) => planLane(wishes, facts, gpu, place))
}

function chooseGpus(asked: string | undefined, search: GpuSearch): readonly Gpu[] {
  if (asked === 'none' || asked === '-1') return []
  if (search.kind === 'failed') {
    const message = `there is nvidia-smi, and it fails: ${search.reason}`
    throw new CommandError(
      exitCodes.configInvalid,
      message,
      'mend the driver, or run on the processor with --gpus none',
    )
  }
  const isAll = asked === undefined || asked === '' || asked === 'all'
  if (search.kind === 'none') {
    if (isAll) return []
    const mend = 'run on the processor with --gpus none'
    throw new CommandError(exitCodes.configInvalid, `there is no GPU ${asked} here: ${search.reason}`, mend)
  }
  if (isAll) return search.gpus
  const indexes = asked.split(',').map((name) => pinGpus(name.trim(), search).variables['CUDA_VISIBLE_DEVICES'])
  return search.gpus.filter(({ index }) => indexes.includes(String(index)))
}

function planLane(wishes: NodeWishes, facts: NodeFacts, gpu: Gpu | undefined, place: number): LanePlan {
  const name = gpu === undefined ? 'cpu' : String(gpu.index)
  const option = (flag: string, value: string | number | undefined): string[] =>
    value === undefined ? [] : [flag, String(value)]
  const { backend, backendPort } = wishes
  const id = `${facts.hostname}-${gpu === undefined ? 'cpu' : `gpu${gpu.index}`}`
  return {
    label: gpu === undefined ? 'CPU' : `GPU ${gpu.index}`,
    description: gpu === undefined ? 'no GPU; one worker' : describeGpu(gpu).replace(/^\d+ \((.*)\)$/, '$1'),
    args: [
      ...['worker', '--id', id],
      ...option('--gpu', gpu?.index),
      ...option('--config', wishes.config),
      ...option('--classes', wishes.classes?.join(',')),
      ...option('--backend', backend === undefined ? undefined : fillPlaces(backend, { gpu: name })),
      ...option('--backend-command', wishes.backendCommand),
      ...option('--backend-port', backendPort === undefined ? undefined : backendPort + place),
      ...option('--backend-timeout', wishes.backendTimeout),
      ...option('--drain', wishes.drain),
    ],
    variables: facts.metricsPort === undefined ? {} : { INFERQ_METRICS_PORT: String(facts.metricsPort + place) },
  }
}
