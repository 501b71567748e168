import type { InferqConfig } from '@inferq/config'
import { createRouter, type Router } from '@inferq/routing'
import { createBackground } from './background.ts'
import { createBatchDesk } from './batches/batch-desk.ts'
import { createBeatWheel } from './beat-wheel.ts'
import { createClassPace } from './class-pace.ts'
import type { IngressCore, IngressParts } from './dependencies.ts'
import { createDeploymentChecks } from './deployment-checks.ts'
import { defaultOptions, type IngressOptions } from './options.ts'
import { createPositionComments } from './position-comments.ts'
import { createQueueRoom } from './queue-room.ts'

/** Joins the parts with what one running ingress holds itself. */
export function createCore(parts: IngressParts, options: Partial<IngressOptions> = {}): IngressCore {
  const merged: IngressOptions = { ...defaultOptions, ...options }
  const background = createBackground(parts)
  const pace = createClassPace(parts)
  let routed: { readonly config: InferqConfig; readonly router: Router } | undefined
  const core: IngressCore = {
    ...parts,
    options: merged,
    router() {
      const config = parts.config()
      if (routed?.config !== config) routed = { config, router: createRouter(config) }
      return routed.router
    },
    background,
    pace,
    queueRoom: createQueueRoom({ ...parts, pace, runInBackground: background.run }),
    batchDesk: createBatchDesk(() => core),
    beats: createBeatWheel({ clock: parts.clock, intervalMs: merged.beatMs }),
    positions: createPositionComments(parts.queue, pace),
    exchanges: new Set(),
    readers: new Set(),
    waits: new Set(),
    stopping: false,
    closing: false,
    readinessAskedAt: undefined,
    deploymentChecks: createDeploymentChecks(() => core),
  }
  return core
}
