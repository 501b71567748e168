import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AddressPolicy, checkWebhookUrl, hostOf } from '../src/index.ts'

const strict: AddressPolicy = { allowPrivate: false, ports: [] }
const reasonOf = (text: string, policy = strict) => {
  const checked = checkWebhookUrl(text, policy)
  return checked.kind === 'refused' ? checked.reason : null
}

describe('the address of a receiver', () => {
  it.each([
    ...[
      'https://example.com/hooks?token=x',
      'http://example.com:8080',
      'https://8.8.8.8/',
      'https://[2606:4700::1111]/x',
    ],
  ])('may be %s', (text) => {
    expect(reasonOf(text)).toBeNull()
  })

  it.each([
    ['ftp://example.com', /http/],
    ['//example.com', /http/],
    ['https://', /http/],
    ['file:///etc/passwd', /http/],
    ['https://user:secret@example.com', /credentials/],
    ['https://:x@example.com', /credentials/],
    ['http://127.0.0.1/', /private/],
    ['http://0x7f.1/', /private/],
    ['http://2130706433/', /private/],
    ['http://017700000001/', /private/],
    ['http://127.1./', /private/],
    ['http://[::1]/', /private/],
    ['http://[::ffff:7f00:1]/', /private/],
    ['http://169.254.169.254/latest/meta-data', /private/],
    ['http://localhost:8080', /private/],
    ['http://LOCALHOST.', /private/],
    ['http://a.localhost/', /private/],
    ['http://１２７.0.0.1/', /private/],
    ['http://example.com:0/', /port 0/],
    [`https://example.com/${'x'.repeat(2_048)}`, /characters/],
  ])('may not be %s', (text, reason) => {
    expect(reasonOf(text)).toMatch(reason)
  })

  it('may be private, or on some ports only, by configuration', () => {
    expect(reasonOf('http://localhost:9', { ...strict, allowPrivate: true })).toBeNull()
    expect(reasonOf('http://10.1.2.3', { ...strict, allowPrivate: ['10.0.0.0/8'] })).toBeNull()
    expect(reasonOf('http://192.168.1.1', { ...strict, allowPrivate: ['10.0.0.0/8'] })).toMatch(/private/)
    const https = { ...strict, ports: [443] }
    expect(reasonOf('https://example.com', https)).toBeNull()
    expect(reasonOf('http://example.com', https)).toMatch(/port 80/)
    expect(reasonOf('https://example.com:8443', https)).toMatch(/port 8443/)
  })

  it('is never told in a reason, and nothing throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.webUrl(), fc.string()), (text) => {
        const reason = reasonOf(text)
        if (reason !== null && text.length > 12) expect(reason).not.toContain(text)
      }),
    )
  })

  it('has its host without brackets', () => {
    expect(hostOf(new URL('http://[::1]:80/'))).toBe('::1')
    expect(hostOf(new URL('http://a.b:80/'))).toBe('a.b')
  })
})
