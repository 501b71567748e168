export { type AddressPolicy, isAllowedAddress } from './address-guard.ts'
export { type SignedMessage, signatureHeaders } from './signature.ts'
export {
  createWebhookSecrets,
  type SecretSealer,
  type SecretTable,
  type ShownSecret,
  type WebhookSecrets,
} from './webhook-secrets.ts'
export { type CheckedUrl, checkWebhookUrl, hostOf } from './webhook-url.ts'
