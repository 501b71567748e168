import { setTimeout as sleep } from 'node:timers/promises'
import { type DocExample, differences } from './doc-examples.ts'
import { type OpenApiDocument, schemaFaults, schemaOfAnswer } from './openapi-document.ts'
import type { CurlRunner } from './run-curl.ts'

/** Runs the examples of a page in order; ids in an answer are what the variables of the page stand for from there on. */
export interface DocRunner {
  /** What is not as documented; nothing when all is. One that only reads is asked again until it is, or the time is up. */
  run(example: DocExample): Promise<readonly string[]>
}

export interface DocRunnerOptions {
  readonly curl: CurlRunner
  readonly document: OpenApiDocument
  /** The shell variables of the page that are known beforehand. */
  readonly variables: Readonly<Record<string, string>>
  /** Hosts of the page that are somewhere else here. */
  readonly hosts: Readonly<Record<string, string>>
}

const readWithinMs = 15_000
const readEveryMs = 50

export function createDocRunner({ curl, document, variables: given, hosts }: DocRunnerOptions): DocRunner {
  const variables = { ...given }

  const ask = async (example: DocExample): Promise<readonly string[]> => {
    const { answer } = example
    if (answer === undefined) return ['no answer is documented']
    let commands = example.commands
    for (const [host, here] of Object.entries(hosts)) commands = commands.replaceAll(host, here)
    const { status, body } = await curl.run(commands, variables)
    if (status !== answer.status) return [`status ${status}: ${body.slice(0, 500)}`]
    const faults = differences(answer, body)
    if (faults.length > 0) return [...faults, `in ${body.slice(0, 2_000)}`]
    if (answer.kind === 'text') return []
    const parsed: unknown = JSON.parse(body)
    const path = pathOf(commands, variables)
    Object.assign(variables, idsIn(parsed))
    return notInSchema(document, methodOf(commands), path, status, parsed)
  }

  return {
    async run(example) {
      const deadline = performance.now() + (methodOf(example.commands) === 'GET' ? readWithinMs : 0)
      for (;;) {
        const faults = await ask(example)
        if (faults.length === 0 || performance.now() > deadline) return faults
        await sleep(readEveryMs)
      }
    },
  }
}

/** The answer is also what the OpenAPI document says of this route and status. */
function notInSchema(
  document: OpenApiDocument,
  method: string,
  path: string,
  status: number,
  body: unknown,
): readonly string[] {
  const schema = schemaOfAnswer(document, method, path, status)
  return schema === null ? [`${method} ${path}: ${status} is not in the OpenAPI document`] : schemaFaults(schema, body)
}

function methodOf(commands: string): string {
  const named = / -X (\w+)/.exec(commands)?.[1]
  return named ?? (/ (-d|-F) /.test(commands) && !commands.includes('curl -sG') ? 'POST' : 'GET')
}

function pathOf(commands: string, variables: Readonly<Record<string, string>>): string {
  const [, path = ''] = /\$INFERQ(\/[^\s"?]*)/.exec(commands) ?? []
  return path.replace(/\$([A-Z_]+)/g, (_, name: string) => variables[name] ?? '')
}

const variableOfPrefix = {
  job_: 'JOB',
  resp_: 'RESPONSE',
  'file-': 'FILE',
  batch_: 'BATCH',
  whd_: 'DELIVERY',
} as const

function idsIn(answer: unknown): Readonly<Record<string, string>> {
  const { id, data, output_file_id: output, model_id: model } = answer as Readonly<Record<string, unknown>>
  const head = Array.isArray(data) ? (data[0] as { readonly id?: unknown; readonly object?: unknown }) : undefined
  const first = head?.id
  const found: Record<string, string> = {}
  for (const one of [first, id]) {
    if (typeof one !== 'string') continue
    const name = Object.entries(variableOfPrefix).find(([prefix]) => one.startsWith(prefix))?.[1]
    if (name !== undefined) found[name] = one
  }
  // Its operator has named it.
  if (head?.object === 'worker' && typeof first === 'string') found['WORKER'] = first
  if (typeof output === 'string') found['OUTPUT'] = output
  if (typeof model === 'string') found['MODEL_ID'] = model
  return found
}
