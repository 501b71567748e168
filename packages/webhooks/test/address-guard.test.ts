import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isAllowedAddress } from '../src/index.ts'

const strict = { allowPrivate: false }
const octets = fc.tuple(
  ...([0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 255 })) as [
    fc.Arbitrary<number>,
    fc.Arbitrary<number>,
    fc.Arbitrary<number>,
    fc.Arbitrary<number>,
  ]),
)

/** By the registry of special-purpose addresses, written down a second time: number and bits. */
const special: readonly (readonly [string, number])[] = [
  ...([
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
  ] as const),
  ...([
    ['172.16.0.0', 12],
    ['192.0.0.0', 24],
    ['192.0.2.0', 24],
    ['192.168.0.0', 16],
    ['198.18.0.0', 15],
  ] as const),
  ...([
    ['198.51.100.0', 24],
    ['203.0.113.0', 24],
    ['224.0.0.0', 4],
    ['240.0.0.0', 4],
  ] as const),
]

const toNumber = (address: string) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
const toText = (number: number) => [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.')
const isSpecial = (address: string) =>
  special.some(([network, bits]) => {
    const size = 2 ** (32 - bits)
    return Math.floor(toNumber(address) / size) === Math.floor(toNumber(network) / size)
  })

describe('the guard', () => {
  it('lets through public addresses', () => {
    for (const address of ['8.8.8.8', '1.1.1.1', '93.184.216.34', '172.32.0.1', '2606:4700::1111', '::ffff:8.8.8.8']) {
      expect([address, isAllowedAddress(address, strict)]).toEqual([address, true])
    }
  })

  it.each([
    ...['127.0.0.1', '127.255.255.254', '0.0.0.0', '10.1.2.3', '172.31.255.255', '192.168.1.1', '100.64.0.1'],
    ...['169.254.169.254', '168.63.129.16', '224.0.0.1', '255.255.255.255', '192.0.0.192', '198.18.0.1'],
    ...['::', '::1', 'fe80::1', 'fe80::1%eth0', 'fc00::1', 'fd12:3456::1', 'ff02::1', 'fec0::1', '::127.0.0.1'],
    ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:10.0.0.1', '::ffff:169.254.169.254', '64:ff9b::7f00:1'],
    ...['64:ff9b::808:808', '64:ff9b:1::a00:1', '2002:7f00:1::', '2001::1', '2001:db8::1', '3fff::1', '100::1'],
    ...['5f00::1', '4000::1', 'fd00:ec2::254', '', 'localhost', '0x7f.1', '2130706433', '127.1', '1.2.3.4.5'],
  ])('refuses %s', (address) => {
    expect(isAllowedAddress(address, strict)).toBe(false)
  })

  it('agrees with the registry on every network of it, and outside', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...special),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        ([network, bits], part) => {
          const address = toText(toNumber(network) + Math.floor(part * 2 ** (32 - bits)))
          expect([address, isAllowedAddress(address, strict)]).toEqual([address, false])
        },
      ),
    )
    fc.assert(
      fc.property(octets, (parts) => {
        const address = parts.join('.')
        if (isAllowedAddress(address, strict)) expect([address, isSpecial(address)]).toEqual([address, false])
      }),
      { numRuns: 2_000 },
    )
  })

  it('treats an IPv4 address mapped into IPv6 as what it is', () => {
    fc.assert(
      fc.property(octets, (parts) => {
        const [a, b, c, d] = parts
        const hex = [a * 256 + b, c * 256 + d].map((group) => group.toString(16)).join(':')
        const plain = isAllowedAddress(parts.join('.'), strict)
        expect(isAllowedAddress(`::ffff:${parts.join('.')}`, strict)).toBe(plain)
        expect(isAllowedAddress(`::ffff:${hex}`, strict)).toBe(plain)
      }),
    )
  })

  it('refuses every IPv6 address outside global unicast', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const first = Number.parseInt(address.startsWith(':') ? '0' : (address.split(':')[0] ?? '0'), 16)
        const mapped = /^(0{0,4}:){0,5}:?(0{0,4}:)?ffff:/i.test(address)
        if (!mapped && (first & 0xe000) !== 0x2000) expect(isAllowedAddress(address, strict)).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  it('lets through the networks it is told, and no others', () => {
    const policy = { allowPrivate: ['10.1.0.0/16', 'fd00:1::/32'] }
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', 'fd00:1::5', '8.8.8.8']) {
      expect([address, isAllowedAddress(address, policy)]).toEqual([address, true])
    }
    for (const address of ['10.2.0.1', '127.0.0.1', 'fd00:2::5', '::1']) {
      expect([address, isAllowedAddress(address, policy)]).toEqual([address, false])
    }
    expect(isAllowedAddress('127.0.0.1', { allowPrivate: true })).toBe(true)
    expect(isAllowedAddress('224.0.0.1', { allowPrivate: true })).toBe(false)
    expect(isAllowedAddress('0.0.0.0', { allowPrivate: true })).toBe(false)
    expect(isAllowedAddress('10.0.0.1', { allowPrivate: ['nonsense', '10.0.0.0'] })).toBe(false)
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void isAllowedAddress(text, { allowPrivate: ['10.0.0.0/8', text] })))
  })
})
