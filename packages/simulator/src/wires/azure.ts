import { RequestError, type Wording, wordsFor } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Encoder } from '../playback.ts'
import { allow, decodeName, parseBody } from './fields.ts'
import { type OpenAiDialect, openAiRoute } from './openai.ts'
import { sendError } from './openai-common.ts'
import { bearerToken, headerText, requireKey, type Wire } from './wire.ts'

/** Azure OpenAI, under `/openai`: OpenAI's wire, with the model in the path or, on `/openai/v1`, in the body. */
export const azureWire: Wire = {
  serves: ({ path }) => path.startsWith('/openai/'),
  authenticate: ({ headers }, apiKey) =>
    requireKey(headerText(headers, 'api-key') ?? bearerToken(headers), apiKey, denied()),
  answer: (engine, exchange, { method, path, query }) => {
    const [, deployment, rest] = /^\/openai\/(?:deployments\/([^/]+)|v1)\/(.+)$/.exec(path) ?? []
    const route = rest === undefined ? undefined : openAiRoute(rest)
    const versioned = deployment === undefined || (query.get('api-version') ?? '') !== ''
    if (route === undefined || !versioned) throw new RequestError(404, 'Resource not found', { code: '404' })
    allow(method, 'POST')
    const body = parseBody(exchange.bodyText)
    route(engine, exchange, deployment === undefined ? body : { ...body, model: decodeName(deployment) }, dialect)
  },
  refuse,
}

const harmless = {
  hate: { filtered: false, severity: 'safe' },
  self_harm: { filtered: false, severity: 'safe' },
  sexual: { filtered: false, severity: 'safe' },
  violence: { filtered: false, severity: 'safe' },
}
const promptResults = JSON.stringify([{ prompt_index: 0, content_filter_results: harmless }])

const dialect: OpenAiDialect = { name: 'azure', refuse, dress: withFilterResults }

const wording: Wording = {
  content_filter:
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. " +
    'Please modify your prompt and retry. To learn more about our content filtering policies please read our ' +
    'documentation: https://go.microsoft.com/fwlink/?linkid=2198766',
  context_length_exceeded: ({ overrun }) => {
    const { promptTokens, maxTokens, contextTokens } = overrun ?? {
      promptTokens: 16_500,
      maxTokens: 0,
      contextTokens: 16_385,
    }
    return (
      `This model's maximum context length is ${contextTokens} tokens. However, your messages resulted in ` +
      `${promptTokens + maxTokens} tokens. Please reduce the length of the messages.`
    )
  },
  model_not_found:
    'The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, ' +
    'please wait a moment and try again.',
  rate_limit_exceeded: ({ retryAfterS = 60 }) =>
    'Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded token rate limit of your ' +
    `current OpenAI S0 pricing tier. Please retry after ${retryAfterS} seconds.`,
}

const codes: Readonly<Record<string, string>> = {
  invalid_api_key: '401',
  model_not_found: 'DeploymentNotFound',
  rate_limit_exceeded: '429',
}

/** Azure's gateway knows a code and a message; what the model itself refuses has OpenAI's fields, and Azure's reason. */
function refuse(exchange: Exchange, error: RequestError): void {
  sendError(exchange, error, errorBody(error))
}

function errorBody(error: RequestError): string {
  const message = wordsFor(error, wording)
  const code = codes[error.code ?? '']
  if (code !== undefined) return JSON.stringify({ error: { code, message } })
  const { type, param, status } = error
  if (error.code !== 'content_filter') {
    return JSON.stringify({ error: { message, type, param, code: error.code ?? null } })
  }
  const innererror = {
    code: 'ResponsibleAIPolicyViolation',
    content_filter_result: { ...harmless, violence: { filtered: true, severity: 'medium' } },
  }
  return JSON.stringify({ error: { message, type: null, param: 'prompt', code: 'content_filter', status, innererror } })
}

function denied(): RequestError {
  const message =
    'Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an ' +
    'active subscription and use a correct regional API endpoint for your resource.'
  return new RequestError(401, message, { code: 'invalid_api_key' })
}

/** What Azure's filter found in the prompt: before the first chunk of a stream, in one without choices; or at the end. */
function withFilterResults(inner: Encoder): Encoder {
  return {
    stream: inner.stream,
    contentType: inner.contentType,
    headFirst: inner.headFirst,
    opening: () =>
      `data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":${promptResults}}\n\n` +
      inner.opening(),
    step: (index, emittedAtMs) => inner.step(index, emittedAtMs),
    closing: (timing) => inner.closing(timing),
    whole: (timing) => `${inner.whole(timing).slice(0, -1)},"prompt_filter_results":${promptResults}}`,
    malformed: () => inner.malformed(),
    failure: (error) => inner.failure(error),
  }
}
