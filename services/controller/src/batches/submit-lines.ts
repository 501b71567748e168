import type { InferqConfig } from '@inferq/config'
import type { ErrorDetail, JobSpec } from '@inferq/contracts'
import { createWorkerRegistry, referenceTo, totalSlots } from '@inferq/queue'
import { createRouter, quietDeployments, type Router } from '@inferq/routing'
import { errorMessage } from '@inferq/runtime'
import type { PendingLine, StoredBatch } from '@inferq/store'
import type { ControllerParts } from '../controller.ts'
import { lineRoute, lineSpec } from './line-spec.ts'
import { roomInClass, takeLines } from './window.ts'

const pageLines = 256
/** Of requests in memory at once, in characters. */
const maxRequestSize = 32 * 1024 * 1024

/** What is left of the room in each class during one turn, over all batches. */
export type Rooms = Map<string, number>

export type SubmitParts = Pick<
  ControllerParts,
  'store' | 'tokenLog' | 'queue' | 'clock' | 'log' | 'config' | 'redis' | 'keys'
>

/**
 * Makes jobs of the next lines of a batch, as far as there is room for them. The job's row comes first and its id is the
 * line's: whoever dies in between, the next one finds the row, or makes it. Gives how many lines went on.
 */
export function createLineSubmitter(parts: SubmitParts) {
  const { store, tokenLog, queue, clock, log, config, redis, keys } = parts
  const registry = createWorkerRegistry({ redis, keys })
  let routed: { readonly config: InferqConfig; readonly router: Router } | undefined
  /** Where each model's lines went last. */
  const classOf = new Map<string, string>()

  const currentRouter = (): Router => {
    const current = config()
    if (routed?.config !== current) {
      routed = { config: current, router: createRouter(current) }
      classOf.clear()
    }
    return routed.router
  }

  const roomOf = async (modelClass: string, rooms: Rooms): Promise<number> => {
    const known = rooms.get(modelClass)
    if (known !== undefined) return known
    const [{ active, waiting, delayed }, workers] = await Promise.all([queue.depth(modelClass), registry.list()])
    // Without any, a few may wait for the first one.
    const capacity = totalSlots(workers, modelClass) || (config().classes[modelClass]?.concurrency ?? 1)
    const room = roomInClass({ active, waiting: waiting + delayed }, capacity)
    rooms.set(modelClass, room)
    return room
  }

  const enqueue = async (specs: readonly JobSpec[]): Promise<void> => {
    try {
      // In this order on one connection: a worker that takes the job from the queue finds its record.
      await Promise.all(specs.flatMap((spec) => [tokenLog.open(spec), queue.enqueue(referenceTo(spec, 0))]))
    } catch (thrown) {
      // They are rows: the relay brings them into their queues.
      log.warn({ count: specs.length, error: errorMessage(thrown) }, 'batch-lines-left-to-relay')
      return
    }
    await store.markEnqueued(specs.map(({ id }) => id))
  }

  return async (batch: StoredBatch, rooms: Rooms): Promise<number> => {
    const router = currentRouter()
    const pending = await store.findPendingLines(batch.id, pageLines)
    const accepted = pending.filter((line) => line.accepted)
    for (const { model } of pending) {
      const modelClass = classOf.get(model)
      if (modelClass !== undefined) await roomOf(modelClass, rooms)
    }
    const lines = takeLines(
      pending.filter((line) => !line.accepted),
      (model) => rooms.get(classOf.get(model) ?? ''),
      maxRequestSize,
    )
    const requests = await store.readLineRequests(
      batch.id,
      lines.map(({ line }) => line),
    )
    const specs: JobSpec[] = []
    const submitted: PendingLine[] = [...accepted]
    const faults: { line: number; error: ErrorDetail }[] = []
    const now = clock.now()
    for (const line of lines) {
      const request = requests.get(line.line)
      if (request === undefined) continue
      const decision = router.route(lineRoute(batch, line, request, { now, random: Math.random }), quietDeployments)
      if (decision.kind === 'refused') {
        faults.push({ line: line.line, error: decision.error })
        continue
      }
      const modelClass = decision.candidates[0]?.class ?? ''
      classOf.set(line.model, modelClass)
      const room = await roomOf(modelClass, rooms)
      if (room === 0) continue
      rooms.set(modelClass, room - 1)
      specs.push(lineSpec(batch, line, request, decision, config(), now))
      submitted.push(line)
    }
    await store.failPendingLines(batch.id, faults)
    await store.insertAccepted(specs)
    await store.markLinesQueued(
      batch.id,
      submitted.map(({ line }) => line),
    )
    if (specs.length > 0) await enqueue(specs)
    return submitted.length + faults.length
  }
}
