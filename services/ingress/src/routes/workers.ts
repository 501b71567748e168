import { InferqError } from '@inferq/contracts'
import type { WorkerRegistration } from '@inferq/queue'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { IngressCore } from '../dependencies.ts'
import { scalingDocs } from '../openapi/scaling-docs.ts'
import { requireAdmin, requireKey } from '../plugins/auth.ts'
import { viewOfWorker } from './queues.ts'

/** `POST /v1/workers/{id}/drain`, and `DELETE` to take it back. For operators. */
export function registerWorkerRoutes(app: FastifyInstance, core: IngressCore): void {
  app.register(async (admin) => {
    requireKey(admin, core.authenticator)
    requireAdmin(admin)
    admin.post('/v1/workers/:id/drain', { schema: scalingDocs.drain }, async (request, reply) => {
      const worker = await findWorker(core, request)
      await core.workers.orderDrain(worker.id)
      core.log.info({ workerId: worker.id }, 'worker-drain-ordered')
      // It says so itself with its next beat.
      const state = worker.state === 'running' ? 'draining' : worker.state
      return reply.code(202).send(viewOfWorker({ ...worker, state }))
    })
    admin.delete('/v1/workers/:id/drain', { schema: scalingDocs.resume }, async (request, reply) => {
      const worker = await findWorker(core, request)
      const wasOrdered = await core.workers.cancelDrain(worker.id)
      core.log.info({ workerId: worker.id }, 'worker-drain-cancelled')
      // One that is being stopped drains as well.
      return reply.code(202).send(viewOfWorker({ ...worker, state: wasOrdered ? 'running' : worker.state }))
    })
  })
}

async function findWorker(core: IngressCore, request: FastifyRequest): Promise<WorkerRegistration> {
  const { id } = request.params as { readonly id: string }
  const worker = await core.workers.find(id)
  if (worker !== null) return worker
  throw new InferqError({ code: 'worker_not_found', message: `No such worker: '${id.slice(0, 90)}'.` })
}
