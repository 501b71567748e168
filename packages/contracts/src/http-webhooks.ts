import { type Static, Type } from 'typebox'
import { webhookEvents } from './job.ts'

const closed = { additionalProperties: false } as const
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])
const time = (description: string) =>
  Type.Number({ description: `${description} Unix time in seconds, with milliseconds as the fraction.` })

/** Who shall be told of a job's end. What is more to an address is checked where it is accepted. */
export const WebhookRequest = Type.Object(
  {
    url: Type.String({
      minLength: 1,
      maxLength: 2_048,
      description: 'An http:// or https:// URL, without credentials.',
    }),
    events: Type.Optional(
      Type.Array(Type.Enum([...webhookEvents]), {
        minItems: 1,
        maxItems: webhookEvents.length,
        uniqueItems: true,
        description: 'Ends to tell of; all of them when left out.',
      }),
    ),
  },
  closed,
)
export type WebhookRequest = Static<typeof WebhookRequest>

/**
 * `pending`: due, or waiting for its next attempt. `delivered`: the receiver answered 2xx. `failed`: the receiver wants no
 * more (410). `abandoned`: the attempts are used up.
 */
export const deliveryStates = ['pending', 'delivered', 'failed', 'abandoned'] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** Why an attempt did not deliver. Stable: to branch on. */
export const deliveryErrorCodes = [
  'status',
  'timeout',
  'unreachable',
  'unresolved',
  'address_refused',
  'unsigned',
] as const
export type DeliveryErrorCode = (typeof deliveryErrorCodes)[number]

const DeliveryError = Type.Object({ code: Type.Enum([...deliveryErrorCodes]), message: Type.String() })
export type DeliveryError = Static<typeof DeliveryError>

const WebhookAttemptView = Type.Object({
  attempt: Type.Integer({ description: 'Counted from 1 over all replays.' }),
  started_at: time('When it was sent.'),
  duration_ms: Type.Integer(),
  status: nullable(Type.Integer({ description: 'What the receiver answered, if it did.' })),
  error: nullable(DeliveryError),
})

export const WebhookDeliveryView = Type.Object({
  id: Type.String({ description: 'The `webhook-id` of every attempt.' }),
  object: Type.Literal('webhook.delivery'),
  job_id: Type.String(),
  event: Type.Enum([...webhookEvents]),
  url: Type.String(),
  state: Type.Enum([...deliveryStates]),
  attempts: Type.Integer({ description: 'Attempts begun.' }),
  next_attempt_at: nullable(time('Of a pending one.')),
  last_status: nullable(Type.Integer()),
  last_error: nullable(DeliveryError),
  created_at: time('When the job ended.'),
  delivered_at: nullable(time('When the receiver took it.')),
  attempt_log: Type.Optional(
    Type.Array(WebhookAttemptView, { description: 'The latest attempts that ended, newest first; for one job only.' }),
  ),
})
export type WebhookDeliveryView = Static<typeof WebhookDeliveryView>

export const WebhookDeliveryList = Type.Object({
  object: Type.Literal('list'),
  data: Type.Array(WebhookDeliveryView),
  has_more: Type.Boolean(),
  next: nullable(Type.String({ description: 'Pass as `after` for the next page.' })),
})

export const ListDeliveriesQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20 })),
    after: Type.Optional(Type.String({ maxLength: 200 })),
    state: Type.Optional(Type.Enum([...deliveryStates])),
  },
  closed,
)
export type ListDeliveriesQuery = Static<typeof ListDeliveriesQuery>

const SecretEntry = Type.Object({
  id: Type.String(),
  created_at: time('When it was made.'),
  expires_at: nullable(time('Until then it signs too; null: it is the current one.')),
})

/** The signing secrets in force, without the secrets. */
export const WebhookSecretView = Type.Object({
  object: Type.Literal('webhook.secret'),
  data: Type.Array(SecretEntry),
})
export type WebhookSecretView = Static<typeof WebhookSecretView>

/** The only answer with the secret in it. */
export const NewWebhookSecret = Type.Object({
  object: Type.Literal('webhook.secret'),
  id: Type.String(),
  secret: Type.String({ description: '`whsec_` and 32 bytes in base64. Keep it: it is not shown again.' }),
  created_at: time('When it was made.'),
  previous_expires_at: nullable(time('How long the one before signs too.')),
})
export type NewWebhookSecret = Static<typeof NewWebhookSecret>

/** A day lets every receiver be changed; a week is the bound. */
export const RotateSecretRequest = Type.Object(
  { grace_s: Type.Optional(Type.Integer({ minimum: 0, maximum: 604_800, default: 86_400 })) },
  closed,
)
export type RotateSecretRequest = Static<typeof RotateSecretRequest>
