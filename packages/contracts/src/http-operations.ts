import { type Static, Type } from 'typebox'

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])
const unixTime = Type.Number({ description: 'Unix time in seconds.' })

/** A class on a worker. */
const LaneView = Type.Object({
  class: Type.String(),
  limit: Type.Integer({ description: 'Jobs of it at once, now.' }),
  configured: Type.Integer({ description: 'The limit is never above it.' }),
  in_flight: Type.Integer(),
  held: nullable(
    Type.String({
      description:
        "Why the limit is kept below `configured`: by the backend's load, or because another model has its turn (`model_not_loaded`); null: it is not.",
    }),
  ),
  load: nullable(
    Type.Object(
      {
        waiting: Type.Integer(),
        running: Type.Integer(),
        kv_usage: nullable(Type.Number({ description: 'Share of the KV cache in use, 0 to 1.' })),
      },
      { description: 'What was last read of the backend; null where it tells nothing.' },
    ),
  ),
})

/** A worker, as it said of itself at its last beat. */
export const WorkerView = Type.Object({
  id: Type.String(),
  object: Type.Literal('worker'),
  host: Type.String(),
  pid: Type.Integer(),
  gpu: nullable(Type.String()),
  classes: Type.Array(Type.String()),
  limit: Type.Integer({ description: 'Jobs it takes at once, over all its classes.' }),
  in_flight: Type.Integer(),
  state: Type.Enum(['running', 'draining', 'drained'], {
    description: '`draining`: takes nothing new, and ends what it has; `drained`: has nothing any more.',
  }),
  started_at: unixTime,
  last_beat_at: unixTime,
  fingerprint: Type.String({
    description: 'Of the configuration it runs on; `GET /health` tells that of the ingress.',
  }),
  lanes: Type.Array(LaneView),
})

/** The queue of a model class. */
const QueueView = Type.Object({
  class: Type.String(),
  object: Type.Literal('queue'),
  waiting: Type.Integer(),
  active: Type.Integer(),
  delayed: Type.Integer({ description: 'Put back, and not to be taken before a time.' }),
  oldest_s: nullable(Type.Number({ description: 'How long the oldest that waits has waited; null when none does.' })),
})

export const WorkerList = Type.Object({ object: Type.Literal('list'), data: Type.Array(WorkerView) })
export const QueueList = Type.Object({ object: Type.Literal('list'), data: Type.Array(QueueView) })

export type AutoscaleView = Static<typeof AutoscaleView>
/** What a class needs, and how many workers that is. */
export const AutoscaleView = Type.Object({
  class: Type.String(),
  object: Type.Literal('autoscale'),
  desired: Type.Integer({ description: 'Workers that the class should have.' }),
  demand: Type.Integer({ description: 'Jobs that wait, were put back, or run.' }),
  waiting: Type.Integer(),
  delayed: Type.Integer({ description: 'Put back, and not to be taken before a time.' }),
  active: Type.Integer(),
  oldest_s: nullable(Type.Number({ description: 'How long the oldest that waits has waited; null when none does.' })),
  workers: Type.Integer({ description: 'That take jobs of it: neither draining nor drained.' }),
  slots_per_worker: Type.Number({ description: 'Jobs of it that one worker runs at once.' }),
  mean_s: nullable(Type.Number({ description: 'How long a job holds a slot; null as long as that is not known.' })),
})

export type AutoscaleList = Static<typeof AutoscaleList>
export const AutoscaleList = Type.Object({ classes: Type.Record(Type.String(), AutoscaleView) })

export type AutoscaleQuery = Static<typeof AutoscaleQuery>
export const AutoscaleQuery = Type.Object(
  {
    target_wait_s: Type.Optional(
      Type.Number({ minimum: 0.1, maximum: 86_400, description: 'How long a job may wait. Default 30.' }),
    ),
    min: Type.Optional(Type.Integer({ minimum: 0, maximum: 100_000, description: 'Default 0.' })),
    max: Type.Optional(Type.Integer({ minimum: 0, maximum: 100_000, description: 'Default 1,000.' })),
  },
  { additionalProperties: false },
)
