import type { WireName } from '@inferq/config'

/**
 * Whether a model goes on after a trailing assistant message instead of answering it. Known to do so: Claude up to 4.5, at
 * Anthropic and at Bedrock, and what else speaks Anthropic's wire. Claude 4.6 and everything after it refuses one with a 400
 * (platform.claude.com/docs, "What's new in Claude 4.6", prefill removal). Gemini and Cohere document no such thing; nor do
 * the other models of Bedrock.
 */
export function continuesPrefix(wire: WireName, model: string): boolean {
  // What a wildcard stands for is known only when it is called.
  if (model.includes('*')) return false
  if (wire === 'anthropic') return !/claude/i.test(model) || isEarlyClaude(model)
  return wire === 'bedrock' && isEarlyClaude(model)
}

/** Claude 1 to 4.5, in Anthropic's ids and Bedrock's (`us.anthropic.claude-sonnet-4-5-20250929-v1:0`). */
function isEarlyClaude(model: string): boolean {
  const name = /claude-(.*)$/i.exec(model)?.[1]
  if (name === undefined) return false
  // claude-instant, claude-2.1, claude-v2, claude-3-5-sonnet, claude-3-haiku
  if (/^(instant|v?[123]\b)/i.test(name)) return true
  // claude-opus-4, claude-sonnet-4-20250514, claude-haiku-4-5; a date is no minor version.
  const version = /^[a-z]+-4(?:[-.](\d{1,2}))?(?!\d)/i.exec(name)
  return version !== null && Number(version[1] ?? 0) <= 5
}
