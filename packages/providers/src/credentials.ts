import { familyOf } from '@inferq/config'
import type { Upstream } from './port.ts'

export type Holder = Pick<Upstream, 'baseUrl' | 'apiKey' | 'headers'> &
  Partial<Pick<Upstream, 'provider' | 'credentials'>>

/** The headers by which a call proves who it is from. Names in lower case. */
export function credentialHeaders(holder: Holder): Readonly<Record<string, string>> {
  const { apiKey, credentials = {} } = holder
  const organization = credentials['organization']
  const basic = basicCredentials(holder.baseUrl)
  const token = credentials['azure_ad_token']
  return {
    ...(organization === undefined ? {} : { 'openai-organization': organization }),
    ...(apiKey !== undefined
      ? keyHeader(holder, apiKey)
      : token !== undefined
        ? { authorization: `Bearer ${token}` }
        : basic === undefined
          ? {}
          : { authorization: `Basic ${btoa(basic)}` }),
  }
}

function keyHeader(holder: Holder, key: string): Readonly<Record<string, string>> {
  const quirks = familyOf(holder.provider ?? '')?.quirks
  const name = quirks?.keyHeader
  // A model that Azure AI serves by itself, at an address of its own, wants the usual header.
  const isByItself = quirks?.path === 'azure_ai' && new URL(holder.baseUrl).hostname.endsWith('.models.ai.azure.com')
  return name === undefined || isByItself ? { authorization: `Bearer ${key}` } : { [name]: key }
}

/** Every header's value may be a credential; the short ones would only punch holes into messages. */
export function secretsOf(holder: Holder): readonly string[] {
  const rules = familyOf(holder.provider ?? '')?.credentials ?? {}
  const proofs = Object.entries(holder.credentials ?? {}).filter(([name]) => rules[name]?.proof !== undefined)
  const basic = basicCredentials(holder.baseUrl)?.split(':') ?? []
  const secrets = [
    holder.apiKey ?? '',
    ...basic,
    ...proofs.map(([, value]) => value),
    ...Object.values(holder.headers ?? {}),
  ]
  return secrets.filter((secret) => secret.length >= 8)
}

/** `user:password` of `https://user:password@host`, as proxies in front of a local server want it. */
function basicCredentials(baseUrl: string): string | undefined {
  const { username, password } = new URL(baseUrl)
  return username === '' ? undefined : `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
}
