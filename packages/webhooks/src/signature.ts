import { createHmac, randomBytes } from 'node:crypto'

const prefix = 'whsec_'
const secretBytes = 32

/** A signing secret of 256 random bits, as Standard Webhooks writes them. */
export function createWebhookSecret(): string {
  return prefix + randomBytes(secretBytes).toString('base64')
}

export interface SignedMessage {
  readonly id: string
  /** Of the attempt, ms epoch. */
  readonly at: number
  /** Sent as it is. */
  readonly body: string
  /** One signature each. Not empty. */
  readonly secrets: readonly string[]
}

/**
 * The headers of Standard Webhooks: HMAC-SHA256 over `<id>.<seconds>.<body>`, `v1,` and base64, separated by spaces.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function signatureHeaders({ id, at, body, secrets }: SignedMessage): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(at / 1000))
  const sign = (secret: string): string => {
    const key = Buffer.from(secret.slice(prefix.length), 'base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
  }
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': secrets.map(sign).join(' ') }
}
