import { createHash, timingSafeEqual } from 'node:crypto'
import { type AutoscaleList, AutoscaleQuery, type AutoscaleView, InferqError } from '@inferq/contracts'
import { meanSlots, type WorkerRegistration } from '@inferq/queue'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { desiredReplicas, type ScaleWishes } from '../autoscale/desired-replicas.ts'
import type { IngressCore } from '../dependencies.ts'
import { keyOf } from '../identity.ts'
import { scalingDocs } from '../openapi/scaling-docs.ts'
import { type Admit, requireAdmin, requireKey } from '../plugins/auth.ts'

/**
 * `GET /autoscale` and `/autoscale/{class}`: how many workers there should be. For operators, and for whoever has the key
 * that opens nothing else: an autoscaler needs no more.
 */
export function registerAutoscaleRoutes(app: FastifyInstance, core: IngressCore): void {
  app.register(async (scalers) => {
    requireKey(scalers, core.authenticator, admitScaler(core.options.autoscaleKey))
    requireAdmin(scalers)
    const querystring = AutoscaleQuery
    scalers.get(
      '/autoscale',
      { schema: { querystring, ...scalingDocs.autoscale } },
      async (request): Promise<AutoscaleList> => {
        const names = Object.keys(core.config().classes)
        const workers = await core.workers.list()
        const views = await Promise.all(names.map((name) => viewOf(core, name, workers, wishesOf(request))))
        return { classes: Object.fromEntries(views.map((view) => [view.class, view])) }
      },
    )
    scalers.get(
      '/autoscale/:class',
      { schema: { querystring, ...scalingDocs.autoscaleClass } },
      async (request): Promise<AutoscaleView> => {
        const { class: name } = request.params as { readonly class: string }
        if (!Object.hasOwn(core.config().classes, name)) {
          const message = `No such class: '${name.slice(0, 90)}'.`
          throw new InferqError({ code: 'class_not_found', message, param: 'class' })
        }
        return viewOf(core, name, await core.workers.list(), wishesOf(request))
      },
    )
  })
}

async function viewOf(
  core: IngressCore,
  name: string,
  workers: readonly WorkerRegistration[],
  wishes: ScaleWishes,
): Promise<AutoscaleView> {
  const [{ waiting, delayed, active }, oldestAt] = await Promise.all([
    core.queue.depth(name),
    core.queue.oldestAt(name),
  ])
  const oldestSeconds = oldestAt === null ? null : Math.max(0, core.clock.now() - oldestAt) / 1000
  const working = workers.filter(({ classes, state }) => state === 'running' && classes.includes(name))
  const slotsPerWorker = meanSlots(working, name) ?? Math.max(1, core.config().classes[name]?.concurrency ?? 1)
  const meanSeconds = core.shares.meanSeconds(name)
  // What was put back comes again within seconds or a few minutes, and where nobody works nobody sees that its time has come.
  const demand = {
    waiting: waiting + delayed,
    active,
    oldestSeconds,
    workers: working.length,
    slotsPerWorker,
    meanSeconds,
  }
  return {
    class: name,
    object: 'autoscale',
    desired: desiredReplicas(demand, wishes),
    demand: waiting + delayed + active,
    ...{ waiting, delayed, active },
    oldest_s: oldestSeconds,
    workers: working.length,
    slots_per_worker: slotsPerWorker,
    mean_s: meanSeconds,
  }
}

function wishesOf(request: FastifyRequest): ScaleWishes {
  const { target_wait_s: targetWaitSeconds = 30, min = 0, max = 1_000 } = request.query as AutoscaleQuery
  if (min > max) throw new InferqError({ code: 'invalid_value', message: "'min' is above 'max'.", param: 'min' })
  return { targetWaitSeconds, min, max }
}

function admitScaler(key: string | undefined): Admit {
  if (key === undefined) return () => null
  const expected = digestOf(key)
  return (request) =>
    timingSafeEqual(digestOf(keyOf(request.headers)), expected) ? { owner: 'autoscaler', admin: true } : null
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
