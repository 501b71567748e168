import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { signatureHeaders } from '../src/index.ts'
import { createWebhookSecret } from '../src/signature.ts'

describe('a signature', () => {
  it('is taken by the reference verifier, whatever is signed', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const secret = createWebhookSecret()
        const body = JSON.stringify(value)
        const headers = signatureHeaders({ id: 'whd_1', at: Date.now(), body, secrets: [secret] })
        expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body))
      }),
    )
  })

  it('is made once for each secret, and each verifies', () => {
    const secrets = [createWebhookSecret(), createWebhookSecret()]
    const headers = signatureHeaders({ id: 'whd_1', at: Date.now(), body: '{}', secrets })
    expect(headers['webhook-signature']?.split(' ')).toHaveLength(2)
    for (const secret of secrets) expect(new Webhook(secret).verify('{}', headers)).toEqual({})
  })

  it('is refused for another body, id, time or secret', () => {
    const secret = createWebhookSecret()
    const message = { id: 'whd_1', at: Date.now(), body: '{}', secrets: [secret] }
    const headers = signatureHeaders(message)
    const verifier = new Webhook(secret)
    expect(() => verifier.verify('{ }', headers)).toThrow()
    expect(() => verifier.verify('{}', { ...headers, 'webhook-id': 'whd_2' })).toThrow()
    expect(() => verifier.verify('{}', signatureHeaders({ ...message, at: Date.now() - 3_600_000 }))).toThrow()
    expect(() => new Webhook(createWebhookSecret()).verify('{}', headers)).toThrow()
  })

  it('comes of a secret of 256 bits', () => {
    expect(createWebhookSecret()).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(createWebhookSecret()).not.toBe(createWebhookSecret())
  })
})
