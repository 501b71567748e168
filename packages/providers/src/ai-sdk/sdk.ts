import type { EmbeddingModelV4, LanguageModelV4 } from '@ai-sdk/provider'
import type { WireName } from '@inferq/config'
import { InferqError } from '@inferq/contracts'
import { refused } from '../json.ts'
import type { Upstream } from '../port.ts'
import type { Fetch } from './connection.ts'
import { noKey } from './headers.ts'

/** The wires this adapter speaks, each through the package of its vendor. */
export type SdkWire = Extract<WireName, 'anthropic' | 'gemini' | 'bedrock' | 'cohere'>

/** What an SDK makes for one call, on the `fetch` of that call. */
export interface SdkModels {
  chat(model: string, fetch: Fetch): LanguageModelV4
  embedding(model: string, fetch: Fetch): EmbeddingModelV4
}

export function isSdkWire(wire: WireName): wire is SdkWire {
  return wire === 'anthropic' || wire === 'gemini' || wire === 'bedrock' || wire === 'cohere'
}

/**
 * Imports the one package the wire needs. Every setting is given, so that none of them looks into the environment of the
 * process: what belongs to a deployment comes from its configuration alone.
 */
export async function loadSdk(upstream: Upstream, wire: SdkWire): Promise<SdkModels> {
  const apiKey = upstream.apiKey ?? noKey
  const baseURL = upstream.baseUrl
  switch (wire) {
    case 'anthropic': {
      const { createAnthropic } = await import('@ai-sdk/anthropic')
      const headers = Object.fromEntries(
        Object.entries(upstream.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
      )
      return {
        chat: (model, fetch) => createAnthropic({ apiKey, baseURL, headers, fetch }).languageModel(model),
        embedding: () => {
          throw refused('model', 'Anthropic has no embeddings.')
        },
      }
    }
    case 'gemini': {
      const { createGoogle } = await import('@ai-sdk/google')
      const make = (fetch: Fetch) => createGoogle({ apiKey, baseURL, fetch })
      return {
        chat: (model, fetch) => make(fetch).languageModel(model),
        embedding: (model, fetch) => make(fetch).embeddingModel(model),
      }
    }
    case 'cohere': {
      const { createCohere } = await import('@ai-sdk/cohere')
      const make = (fetch: Fetch) => createCohere({ apiKey, baseURL, fetch })
      return {
        chat: (model, fetch) => make(fetch).languageModel(model),
        embedding: (model, fetch) => make(fetch).embeddingModel(model),
      }
    }
    case 'bedrock': {
      const { createAmazonBedrock } = await import('@ai-sdk/amazon-bedrock')
      const access = awsAccess(upstream)
      const make = (fetch: Fetch) => createAmazonBedrock({ ...access, baseURL, fetch })
      return {
        chat: (model, fetch) => make(fetch).languageModel(model),
        embedding: (model, fetch) => make(fetch).embeddingModel(model),
      }
    }
    default:
      return unknownWire(wire)
  }
}

/** A Bedrock key as bearer token; else AWS keys, and requests are signed; else nothing, and the upstream will say so. */
function awsAccess(upstream: Upstream) {
  const credentials = upstream.credentials ?? {}
  const region = awsRegion(upstream)
  const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } = credentials
  if (upstream.apiKey !== undefined) return { region, apiKey: upstream.apiKey }
  if (accessKeyId === undefined && secretAccessKey === undefined) return { region, apiKey: noKey }
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new InferqError({ code: 'upstream_authentication', message: 'Half of the AWS credentials is missing.' })
  }
  const sessionToken = credentials['aws_session_token']
  const keys = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
  return { region, apiKey: '', credentialProvider: async () => keys }
}

/** Of the credentials, or of an address such as `bedrock-runtime.eu-west-1.amazonaws.com`. */
export function awsRegion(upstream: Pick<Upstream, 'credentials' | 'baseUrl'>): string {
  const fromHost = /\/\/bedrock-runtime(?:-fips)?\.([a-z]{2}[a-z0-9-]+)\./.exec(upstream.baseUrl)?.[1]
  return upstream.credentials?.['aws_region_name'] ?? fromHost ?? 'us-east-1'
}

function unknownWire(wire: never): never {
  throw new TypeError(`There is no SDK for the wire ${String(wire)}.`)
}
