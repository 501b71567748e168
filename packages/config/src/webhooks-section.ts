import { isIP } from 'node:net'
import type { InferqConfig } from './inferq-config.ts'
import { defined, type Reader } from './reader.ts'
import type { Tree } from './tree.ts'

/** `webhooks`: where they may go, and how patiently. */
export function readWebhooks(top: ReadonlyMap<string, Tree>, reader: Reader): Partial<InferqConfig['webhooks']> {
  const webhooks = reader.sectionOf(top, 'webhooks', { acts: ['allow_private', 'ports', 'timeout_s', 'max_attempts'] })
  return defined({
    allowPrivate: readAllowed(webhooks.get('allow_private'), reader),
    ports: readPorts(webhooks.get('ports'), reader),
    timeoutSeconds: reader.number(webhooks.get('timeout_s'), { above: 0, max: 120 }),
    maxAttempts: reader.number(webhooks.get('max_attempts'), { min: 1, max: 20, integer: true }),
  })
}

function readAllowed(tree: Tree | undefined, reader: Reader): boolean | readonly string[] | undefined {
  if (tree?.kind !== 'list') return reader.flag(tree)
  return tree.items.flatMap((item) => {
    const text = reader.text(item)
    if (text === undefined) return []
    if (isNetwork(text)) return [text]
    reader.fault(item, 'no network', 'a network such as 10.0.0.0/8 or fd00::/8')
    return []
  })
}

function readPorts(tree: Tree | undefined, reader: Reader): readonly number[] | undefined {
  return reader.list(tree)?.flatMap((item) => reader.number(item, { min: 1, max: 65_535, integer: true }) ?? [])
}

function isNetwork(text: string): boolean {
  const [, address = '', bits = ''] = /^([^/%]+)\/(\d{1,3})$/.exec(text) ?? []
  const family = isIP(address)
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128)
}
