import { readFileSync } from 'node:fs'
import type { InferqConfig } from '@inferq/config'
import type { Operation } from '@inferq/contracts'
import { createRouter, quietDeployments } from '@inferq/routing'
import { errorMessage } from '@inferq/runtime'
import { askIngress, messageOf } from '../ask-ingress.ts'
import type { CommandContext } from '../context.ts'
import { CommandError, exitCodes } from '../exit-codes.ts'
import { type Explanation, formatExplanation, readExplanation } from '../format-explanation.ts'
import { loadConfigWithModels } from '../models.ts'
import { readSettings } from '../settings.ts'

export interface RouteExplainOptions {
  readonly config?: string
  /** A file, or `-` for standard input. */
  readonly body?: string
  readonly header: Readonly<Record<string, string>>
  readonly url?: string
  readonly json?: boolean
}

type Body = Readonly<Record<string, unknown>>

/**
 * What would become of a request, and why: by the rules of a file, nothing being known of the deployments; with `url` by a
 * running ingress, which knows. Exit code 1 when it would be refused.
 */
export async function runRouteExplain(options: RouteExplainOptions, context: CommandContext): Promise<number> {
  const { variables } = context
  const body = readBody(options.body)
  const explanation = options.url === undefined ? await explainHere() : await askThere(options.url)
  context.out(options.json ? `${JSON.stringify(explanation, null, 2)}\n` : formatExplanation(explanation))
  return explanation.decision.kind === 'refused' ? exitCodes.failed : exitCodes.ok

  async function explainHere(): Promise<Explanation> {
    const { configFile } = readSettings(variables)
    const { config } = await loadConfigWithModels(options.config ?? configFile, variables)
    return explain(config, body ?? sample(config), options.header)
  }

  async function askThere(url: string): Promise<Explanation> {
    if (body === undefined) throw new CommandError(exitCodes.usage, 'with --url a request is needed: --body FILE or -')
    const answer = await askIngress('/v1/route/explain', { url, variables, body, headers: options.header })
    if (answer.status !== 200) throw new CommandError(exitCodes.failed, messageOf(answer))
    return readExplanation(answer.body)
  }
}

function explain(config: InferqConfig, body: Body, headers: Readonly<Record<string, string>>): Explanation {
  const { model = config.defaultModel, metadata } = body
  if (typeof model !== 'string')
    throw new CommandError(exitCodes.usage, 'the request names no model, nor does the file')
  const operation = operationOf(body)
  const request = {
    model,
    operation,
    body,
    caller: { metadata: {} },
    metadata: typeof metadata === 'object' && metadata !== null ? { ...metadata } : {},
    headers,
    now: Date.now(),
    random: Math.random,
  }
  const { decision, trace } = createRouter(config).explain(request, quietDeployments)
  return { operation, decision, ...trace }
}

/** As the ingress tells them apart. */
function operationOf(body: Body): Operation {
  if (body['input'] !== undefined) return 'embeddings'
  if (body['text'] !== undefined) return 'summary'
  return body['prompt'] === undefined ? 'chat' : 'text'
}

function sample(config: InferqConfig): Body {
  return { model: config.defaultModel, messages: [{ role: 'user', content: 'Hello' }] }
}

function readBody(place: string | undefined): Body | undefined {
  if (place === undefined) return undefined
  try {
    const value: unknown = JSON.parse(readFileSync(place === '-' ? 0 : place, 'utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch (thrown) {
    throw new CommandError(exitCodes.usage, `the request cannot be read: ${errorMessage(thrown)}`)
  }
  throw new CommandError(exitCodes.usage, 'the request is no JSON object')
}
