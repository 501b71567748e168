import { Type } from 'typebox'

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])
const unixTime = Type.Number({ description: 'Unix time in seconds.' })

/** A worker, as it said of itself at its last beat. */
const WorkerView = Type.Object({
  id: Type.String(),
  object: Type.Literal('worker'),
  host: Type.String(),
  pid: Type.Integer(),
  gpu: nullable(Type.String()),
  classes: Type.Array(Type.String()),
  limit: Type.Integer({ description: 'Jobs it takes at once, over all its classes.' }),
  in_flight: Type.Integer(),
  state: Type.Enum(['running', 'draining']),
  started_at: unixTime,
  last_beat_at: unixTime,
  fingerprint: Type.String({
    description: 'Of the configuration it runs on; `GET /health` tells that of the ingress.',
  }),
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
