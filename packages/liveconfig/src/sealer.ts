import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, scrypt, scryptSync } from 'node:crypto'

/** Closes what is secret of a model, for Postgres and Redis to keep. */
export interface Sealer {
  /** Text that only the same secret opens, and only for this model. Throws without a secret. */
  seal(modelId: string, params: Readonly<Record<string, unknown>>): string
  open(modelId: string, sealed: string): Opened
  /** A key of 32 bytes for something else, the same in every process with this secret (HKDF-SHA-256). Throws without a secret. */
  deriveKey(purpose: string): Buffer
  /** Makes its key beside the event loop; without it the first use does, and the process stands still for that long. */
  prepare(): Promise<void>
}

export type Opened =
  | { readonly kind: 'opened'; readonly params: Readonly<Record<string, unknown>> }
  /** In words. */
  | { readonly kind: 'refused'; readonly reason: string }

const algorithm = 'aes-256-gcm'
const version = 'v1'
const ivBytes = 12
const tagBytes = 16
const salt = 'inferq models'
const keyBytes = 32
/** OWASP's second choice with less memory (32 MiB), some 60 ms once. */
const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 }

/**
 * AES-256-GCM under a key made of `secret` by scrypt. The salt is the same for all, so that a process pays for it once and
 * not once a model. Without a secret it opens nothing. Text: `v1.<iv>.<ciphertext and tag>`, base64url.
 */
export function createSealer(secret: string | undefined): Sealer {
  let key: Buffer | undefined
  const keyOf = (text: string | undefined): Buffer => {
    if (text === undefined) throw new Error('there is no key to seal with: set INFERQ_SALT_KEY or a master key')
    key ??= scryptSync(text, salt, keyBytes, cost)
    return key
  }
  const makeKey = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      scrypt(text, salt, keyBytes, cost, (error, made) => {
        if (error !== null) return reject(error)
        key ??= made
        resolve()
      })
    })
  let prepared: Promise<void> | undefined

  return {
    seal(modelId, params) {
      const iv = randomBytes(ivBytes)
      const cipher = createCipheriv(algorithm, keyOf(secret), iv, { authTagLength: tagBytes }).setAAD(aad(modelId))
      const closed = Buffer.concat([cipher.update(JSON.stringify(params), 'utf8'), cipher.final()])
      const text = Buffer.concat([closed, cipher.getAuthTag()]).toString('base64url')
      return `${version}.${iv.toString('base64url')}.${text}`
    },
    open(modelId, sealed) {
      const [, ivText = '', closedText = ''] = /^v1\.([\w-]{16})\.([\w-]+)$/.exec(sealed) ?? []
      const closed = Buffer.from(closedText, 'base64url')
      if (closed.length < tagBytes) return { kind: 'refused', reason: 'not sealed by inferq' }
      if (secret === undefined) return { kind: 'refused', reason: 'sealed, and this process has no key' }
      const iv = Buffer.from(ivText, 'base64url')
      const decipher = createDecipheriv(algorithm, keyOf(secret), iv, { authTagLength: tagBytes })
      decipher.setAAD(aad(modelId)).setAuthTag(closed.subarray(-tagBytes))
      try {
        const text = decipher.update(closed.subarray(0, -tagBytes), undefined, 'utf8') + decipher.final('utf8')
        return { kind: 'opened', params: JSON.parse(text) as Record<string, unknown> }
      } catch {
        // The tag does not fit: another key, another model's text, or damage. Node does not tell which.
        return { kind: 'refused', reason: 'sealed with another key, or damaged' }
      }
    },
    deriveKey(purpose) {
      // What the key signs gets around: behind scrypt a weak secret is not found by trying.
      return Buffer.from(hkdfSync('sha256', keyOf(secret), 'inferq', purpose, 32))
    },
    prepare() {
      prepared ??= secret === undefined ? Promise.resolve() : makeKey(secret)
      return prepared
    },
  }
}

function aad(modelId: string): Buffer {
  return Buffer.from(`model ${modelId}`)
}
