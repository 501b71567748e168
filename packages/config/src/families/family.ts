import type { WireName } from '../inferq-config.ts'

/** A provider as LiteLLM names it: how its models are written, where it lives, which variables hold its key, its quirks. */
export interface ProviderFamily {
  /** LiteLLM's name; a deployment's `provider`. */
  readonly name: string
  readonly wire: WireName
  /** Prefixes of `litellm_params.model` that mean it, its name among them. */
  readonly prefixes: readonly string[]
  /**
   * Where it lives when nobody says otherwise, with the path the wire needs. Absent: `api_base` has to say.
   * `{name}` stands for the credential of that name.
   */
  readonly baseUrl?: string
  /** Domains of its own beside the host of `baseUrl`: its key from the environment may go there as well. */
  readonly domains?: readonly string[]
  /** First one first; LiteLLM's names are among them. */
  readonly baseUrlVariables: readonly string[]
  readonly keyVariables: readonly string[]
  /** It answers nobody without a key. */
  readonly needsKey: boolean
  /** Other `litellm_params` it takes, with the variables that serve where they are left out. */
  readonly credentials?: Readonly<Record<string, CredentialRule>>
  /** A model on this machine or in this house: it has a class of its own, for a swap costs seconds. */
  readonly isLocal: boolean
  readonly quirks: ProviderQuirks
}

export interface CredentialRule {
  readonly variables: readonly string[]
  readonly required: boolean
  readonly default?: string
  /** All that are `needed` together stand in for a key, `extra` goes with them; all go only where a key may go. */
  readonly proof?: 'needed' | 'extra'
}

/** Where a provider departs from its wire. */
export interface ProviderQuirks {
  /** How a key is sent. Default: `authorization: Bearer …`. */
  readonly keyHeader?: string
  /** Azure: the deployment is in the path, the version in the query. Azure AI: only the version, in the query. */
  readonly path?: 'azure' | 'azure_ai'
  /** Has no `stream_options`; usage comes by itself or not at all. */
  readonly noStreamOptions?: true
  /** The name of the bound on the answer's length it takes, where it is only one of the two. */
  readonly maxTokensField?: 'max_tokens' | 'max_completion_tokens'
  /** Models that `maxTokensField` holds for. Default: all. */
  readonly maxTokensFieldModels?: RegExp
  /** The least such bound that it takes from all of its models, for probes. Default 1. */
  readonly minMaxTokens?: number
  /** Fields of OpenAI's request it refuses; left out. */
  readonly dropFields?: readonly string[]
  /** Fields of OpenAI's request that have another name there. */
  readonly renameFields?: Readonly<Record<string, string>>
  /** Fields of OpenAI's messages it refuses; left out. */
  readonly dropMessageFields?: readonly string[]
  /** It hands requests on to Claude, with Anthropic's marks in them (`cache_control`, `thinking_blocks`). */
  readonly keepsClaudeFields?: true
  /** How it goes on with a given beginning of an answer; absent: it cannot. */
  readonly continues?: 'continue_final_message' | 'trailing_message' | 'prefix_flag'
  /** The path of the API that continues, where it is not the path of the base URL. */
  readonly continuesAt?: string
  /** Its continuation begins with what was given. */
  readonly echoesPrefix?: true
  /** It has no `/models`. */
  readonly noModelList?: true
}
