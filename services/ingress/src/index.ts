export { type ComposeIngressOptions, composeIngress, type Ingress } from './compose.ts'
export type { Authenticator, Identity } from './identity.ts'
export type { IngressOptions } from './options.ts'
export type { ListenOptions } from './server.ts'
