import type { Reader } from './reader.ts'
import type { Tree } from './tree.ts'

/** Request parameters that a deployment may set for clients that say nothing. */
export const requestParams = [
  ...[
    'temperature',
    'top_p',
    'top_k',
    'min_p',
    'n',
    'stop',
    'seed',
    'max_tokens',
    'max_completion_tokens',
    'min_tokens',
  ],
  ...['presence_penalty', 'frequency_penalty', 'repetition_penalty', 'repeat_penalty', 'logit_bias', 'logprobs'],
  ...['top_logprobs', 'response_format', 'tools', 'tool_choice', 'parallel_tool_calls', 'reasoning_effort'],
  ...['thinking', 'think', 'service_tier', 'user', 'dimensions', 'encoding_format', 'extra_body', 'num_predict'],
  ...[
    'metadata',
    'verbosity',
    'mirostat',
    'mirostat_eta',
    'mirostat_tau',
    'tfs_z',
    'format',
    'modalities',
    'prediction',
  ],
  ...['store', 'safety_settings', 'safe_prompt', 'web_search_options', 'chat_template_kwargs', 'prompt_cache_key'],
  ...['safety_identifier', 'input_type', 'ignore_eos', 'best_of', 'suffix', 'echo'],
]

/** Ollama's load options: another value loads the model again, so they belong to the class and not to a client. */
export const loadOptions = [
  ...['num_ctx', 'num_gpu', 'num_batch', 'num_thread', 'main_gpu', 'use_mmap', 'use_mlock', 'keep_alive'],
]

/** The named values as plain data, without those that say nothing. */
export function readPlain(
  params: ReadonlyMap<string, Tree>,
  names: readonly string[],
  reader: Reader,
): Readonly<Record<string, unknown>> {
  const values: Record<string, unknown> = {}
  for (const name of names) {
    const tree = params.get(name)
    const value = tree === undefined ? undefined : reader.plain(tree)
    if (value !== undefined && value !== null) values[name] = value
  }
  return values
}
