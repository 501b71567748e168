import { InferqError, type JobWebhook, type WebhookRequest, webhookEvents } from '@inferq/contracts'
import { checkWebhookUrl } from '@inferq/webhooks'
import type { IngressCore } from './dependencies.ts'

/**
 * Who is told of a job's end, as it is kept with the job. Throws `invalid_value` for an address that webhooks may not go to;
 * what its name stands for is looked at by whoever delivers.
 * @param base goes before the paths of the job's URLs in the event.
 */
export function acceptWebhook(
  core: Pick<IngressCore, 'config'>,
  webhook: WebhookRequest,
  base: string | undefined,
): JobWebhook {
  const checked = checkWebhookUrl(webhook.url, core.config().webhooks)
  if (checked.kind === 'refused') {
    const message = `Invalid value for 'webhook.url': ${checked.reason}.`
    throw new InferqError({ code: 'invalid_value', message, param: 'webhook.url' })
  }
  return {
    url: checked.url.href,
    events: webhook.events ?? webhookEvents,
    ...(base === undefined ? {} : { base }),
  }
}
