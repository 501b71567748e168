import type { WorkerLane, WorkerRegistration } from '@inferq/queue'
import type { FastifyInstance } from 'fastify'
import type { IngressCore } from '../dependencies.ts'
import { operationsDocs } from '../openapi/operations-docs.ts'
import { requireAdmin, requireKey } from '../plugins/auth.ts'

/** `GET /v1/queues` and `/v1/workers`: what waits, and who works. For operators. */
export function registerQueueRoutes(app: FastifyInstance, core: IngressCore): void {
  app.register(async (admin) => {
    requireKey(admin, core.authenticator)
    requireAdmin(admin)
    admin.get('/v1/queues', { schema: operationsDocs.queues }, async () => {
      const classes = Object.keys(core.config().classes)
      return { object: 'list', data: await Promise.all(classes.map((name) => viewOfQueue(core, name))) }
    })
    admin.get('/v1/workers', { schema: operationsDocs.workers }, async () => {
      const workers = await core.workers.list()
      return { object: 'list', data: workers.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map(viewOfWorker) }
    })
  })
}

async function viewOfQueue(core: IngressCore, modelClass: string): Promise<object> {
  const [depth, oldestAt] = await Promise.all([core.queue.depth(modelClass), core.queue.oldestAt(modelClass)])
  const { waiting, active, delayed } = depth
  const oldestMs = oldestAt === null ? null : Math.max(0, core.clock.now() - oldestAt)
  return {
    class: modelClass,
    object: 'queue',
    ...{ waiting, active, delayed },
    oldest_s: oldestMs === null ? null : oldestMs / 1000,
  }
}

export function viewOfWorker(worker: WorkerRegistration): object {
  const { id, host, pid, gpu, classes, limit, inFlight, state, startedAt, lastBeatAt, fingerprint } = worker
  return {
    id,
    object: 'worker',
    ...{ host, pid, gpu, classes, limit, in_flight: inFlight, state },
    started_at: startedAt / 1000,
    last_beat_at: lastBeatAt / 1000,
    fingerprint,
    lanes: (worker.lanes ?? []).map(viewOfLane),
  }
}

function viewOfLane({ class: modelClass, limit, configured, inFlight, held, load }: WorkerLane): object {
  return {
    class: modelClass,
    ...{ limit, configured, in_flight: inFlight, held },
    load: load === null ? null : { waiting: load.waiting, running: load.running, kv_usage: load.kvUsage ?? null },
  }
}
