import { isIP } from 'node:net'
import { type AddressPolicy, isAllowedAddress } from './address-guard.ts'

/** A receiver's address that may be called. */
export type CheckedUrl =
  | { readonly kind: 'url'; readonly url: URL }
  /** In words, without the URL. */
  | { readonly kind: 'refused'; readonly reason: string }

const maxLength = 2_048
const defaultPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/**
 * What can be told of a receiver without asking anybody: an http(s) URL without credentials, a port that is allowed, and a
 * host that is not an address (or a name of this machine) that is not. What a name stands for is asked at every delivery.
 */
export function checkWebhookUrl(text: string, policy: AddressPolicy): CheckedUrl {
  if (text.length > maxLength) return refused(`must have at most ${maxLength} characters`)
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || defaultPorts[url.protocol] === undefined || url.hostname === '') {
    return refused('must be an http:// or https:// URL')
  }
  if (url.username !== '' || url.password !== '') return refused('must not hold credentials')
  const port = url.port === '' ? (defaultPorts[url.protocol] ?? 0) : Number(url.port)
  if (port === 0 || (policy.ports.length > 0 && !policy.ports.includes(port))) {
    return refused(`must not use the port ${port}`)
  }
  const host = hostOf(url)
  const isAllowed = isIP(host) === 0 ? !isLocalName(host, policy) : isAllowedAddress(host, policy)
  return isAllowed ? { kind: 'url', url } : refused('must not lead to a private address')
}

/** The host as a name or a bare address (IPv6 without brackets). */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1')
}

/** A network list may hold loopback addresses: then the name is looked up like any other. */
function isLocalName(host: string, { allowPrivate }: AddressPolicy): boolean {
  return allowPrivate === false && /(^|\.)localhost\.?$/i.test(host)
}

function refused(reason: string): CheckedUrl {
  return { kind: 'refused', reason }
}
