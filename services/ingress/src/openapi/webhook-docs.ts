import { NewWebhookSecret, WebhookDeliveryList, WebhookDeliveryView, WebhookSecretView } from '@inferq/contracts'
import { Type } from 'typebox'
import { described, failure, failures } from './responses.ts'

const tags = ['Webhooks']
const conflict = { 409: failure('conflict', 'The secret was shown before, and is shown once only.') }
const notFound = { 404: failure('delivery_not_found', "No such delivery: 'whd_…'.") }

/** Documentation of the webhook routes, and what is checked of their paths. */
export const webhookDocs = {
  ofJob: {
    operationId: 'listJobWebhookDeliveries',
    summary: 'Who was told of the end of a job, and how that went',
    description: 'With the latest attempts. Empty until the job has ended, and where nobody is to be told.',
    tags,
    params: Type.Object({ id: Type.String({ examples: ['job_01m8k3v7w2q9r4t6y8z0a1b2c3'] }) }),
    response: { 200: described(WebhookDeliveryList, 'Its deliveries.'), ...failures.forJob },
  },
  list: {
    operationId: 'listWebhookDeliveries',
    summary: 'Webhook deliveries, newest first',
    description: 'Of every job that is within its retention.',
    tags,
    response: { 200: described(WebhookDeliveryList, 'A page, without the attempts.'), ...failures.forList },
  },
  replay: {
    operationId: 'replayWebhookDelivery',
    summary: 'Send a delivery again',
    description:
      'Now, whatever became of it, with all its retries again. The `webhook-id` stays the same, so a receiver that has it already knows.',
    tags,
    params: Type.Object({ id: Type.String({ examples: ['whd_01m8k3v7w2q9r4t6y8z0a1b2c3'] }) }),
    response: {
      202: described(WebhookDeliveryView, 'It is due.'),
      401: failures.forList[401],
      ...notFound,
      503: failures.forList[503],
    },
  },
  secrets: {
    operationId: 'getWebhookSecrets',
    summary: 'The signing secrets in force',
    description: 'Without the secrets themselves: they are shown when they are made.',
    tags,
    response: {
      200: described(WebhookSecretView, 'The current one first; others only during a rotation.'),
      401: failures.forList[401],
      503: failures.forList[503],
    },
  },
  show: {
    operationId: 'showWebhookSecret',
    summary: 'The signing secret, once',
    description: 'Made where there is none. Every webhook of yours is signed with it.',
    tags,
    response: {
      201: described(NewWebhookSecret, 'The secret.'),
      401: failures.forList[401],
      ...conflict,
      503: failures.forList[503],
    },
  },
  rotate: {
    operationId: 'rotateWebhookSecret',
    summary: 'A new signing secret',
    description: 'For `grace_s` seconds (a day by default) both sign: change your receivers in that time.',
    tags,
    response: { 201: described(NewWebhookSecret, 'The new secret.'), ...failures.forList, ...conflict },
  },
} as const
