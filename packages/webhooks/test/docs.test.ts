import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { signatureHeaders } from '../src/index.ts'
import { createWebhookSecret } from '../src/signature.ts'

const page = readFileSync(new URL('../../../docs/webhooks.md', import.meta.url), 'utf8')
const example = (language: string): string => {
  const code = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1]
  if (code === undefined) throw new Error(`docs/webhooks.md has no example in ${language}`)
  return code
}

const body = '{"type":"job.completed","data":{"text":"ü😀"}}'
const secrets = [createWebhookSecret(), createWebhookSecret()] as const
const headersAt = (at: number) => signatureHeaders({ id: 'whd_1', at, body, secrets })

describe('the documentation’s way to verify', () => {
  it('works in Node', async () => {
    const url = `data:text/javascript,${encodeURIComponent(example('js'))}`
    const { isGenuine } = (await import(url)) as { isGenuine(...args: unknown[]): boolean }
    for (const secret of secrets) expect(isGenuine(secret, headersAt(Date.now()), body)).toBe(true)
    expect(isGenuine(createWebhookSecret(), headersAt(Date.now()), body)).toBe(false)
    expect(isGenuine(secrets[0], headersAt(Date.now()), `${body} `)).toBe(false)
    expect(isGenuine(secrets[0], headersAt(Date.now() - 400_000), body)).toBe(false)
    expect(isGenuine(secrets[0], { ...headersAt(Date.now()), 'webhook-signature': 'v1,eA==' }, body)).toBe(false)
  })

  it('works in Python', () => {
    const cases = [
      [secrets[0], headersAt(Date.now()), body],
      [secrets[1], headersAt(Date.now()), body],
      [createWebhookSecret(), headersAt(Date.now()), body],
      [secrets[0], headersAt(Date.now()), `${body} `],
      [secrets[0], headersAt(Date.now() - 400_000), body],
    ]
    const script = `${example('python')}
import json, sys
print(json.dumps([is_genuine(s, h, b.encode()) for s, h, b in json.load(sys.stdin)]))
`
    const { stdout, error } = spawnSync('python3', ['-c', script], { input: JSON.stringify(cases), encoding: 'utf8' })
    if (error !== undefined) {
      console.log('No python3 found: the example in Python is not run.')
      return
    }
    expect(JSON.parse(stdout)).toEqual([true, true, false, false, false])
  })
})
