import ipaddr from 'ipaddr.js'

/** Where webhooks may go beside the public Internet. */
export interface AddressPolicy {
  /** All private addresses, or those in these networks (CIDR). Default: none. */
  readonly allowPrivate: boolean | readonly string[]
  /** The only ports; none: any. */
  readonly ports: readonly number[]
}

/**
 * Whether a request may go to this address. Only what is plainly public is allowed, whatever has another meaning is not:
 * loopback, private, link-local (with the metadata services of clouds), CGNAT, multicast, documentation, reserved, and
 * IPv6 that carries IPv4 (NAT64, 6to4, Teredo). IPv4-mapped IPv6 counts as the IPv4 address it is.
 * https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry
 */
export function isAllowedAddress(address: string, policy: Pick<AddressPolicy, 'allowPrivate'>): boolean {
  const parsed = parseAddress(address)
  if (parsed === null) return false
  if (isPublic(parsed)) return true
  if (neverAllowed.has(parsed.range())) return false
  if (typeof policy.allowPrivate === 'boolean') return policy.allowPrivate
  return policy.allowPrivate.some((network) => isWithin(parsed, network))
}

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** Nobody's receiver is there. */
const neverAllowed: ReadonlySet<string> = new Set(['multicast', 'broadcast', 'unspecified'])
/** Azure's host channel: a public number that every virtual machine there reaches its host by. */
const hostChannels: ReadonlySet<string> = new Set(['168.63.129.16'])

const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')
/** Within it, but of the protocol's own: Teredo, benchmarks, ORCHID and others; then 6to4 and documentation. */
const specialUnicast = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'].map((text) =>
  ipaddr.IPv6.parseCIDR(text),
)

/** Null for what is no address; only the usual notations. */
function parseAddress(text: string): Address | null {
  const bare = text.replace(/%.*$/, '')
  if (ipaddr.IPv4.isValidFourPartDecimal(bare)) return ipaddr.IPv4.parse(bare)
  // Node's reading and spelling first: ipaddr.js takes `::1.2.3.4` for a mapped address, which it is not.
  if (!bare.includes(':') || !URL.canParse(`http://[${bare}]`)) return null
  const address = ipaddr.IPv6.parse(new URL(`http://[${bare}]`).hostname.slice(1, -1))
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address
}

function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false
  if (address instanceof ipaddr.IPv4) return !hostChannels.has(address.toString())
  return address.match(globalUnicast) && !specialUnicast.some((network) => address.match(network))
}

function isWithin(address: Address, network: string): boolean {
  if (!ipaddr.isValidCIDR(network)) return false
  const range = ipaddr.parseCIDR(network)
  return address.kind() === range[0].kind() && address.match(range)
}
