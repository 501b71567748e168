import { cacheControl } from './content.ts'
import { isObject, isVoid, type JsonObject, missing, unsupported } from './fault.ts'

/** Tools of the client's own as functions. Throws naming those that only Anthropic's service can run or describe. */
export function toChatTools(tools: readonly JsonObject[]): readonly JsonObject[] {
  return tools.map((tool, index) => {
    const path = `tools[${index}]`
    const {
      type,
      name,
      description,
      input_schema: schema,
      strict,
      defer_loading: deferred,
      allowed_callers: callers,
    } = tool
    if (!isVoid(type) && type !== 'custom') {
      throw unsupported(`${path}.type`, "must be 'custom': tools of Anthropic's service are not available here")
    }
    if (typeof name !== 'string') throw missing(`${path}.name`)
    if (!isObject(schema)) throw missing(`${path}.input_schema`)
    if (deferred === true) throw unsupported(`${path}.defer_loading`, 'there is no tool that would search for tools')
    if (Array.isArray(callers) && !callers.includes('direct')) {
      throw unsupported(`${path}.allowed_callers`, "must include 'direct': there is no code execution")
    }
    return {
      type: 'function',
      function: {
        name,
        ...(typeof description === 'string' ? { description } : {}),
        parameters: schema,
        ...(typeof strict === 'boolean' ? { strict } : {}),
      },
      ...cacheControl(tool),
    }
  })
}

/** `tool_choice`, and with it `parallel_tool_calls`. */
export function toChatToolChoice(choice: JsonObject): JsonObject {
  const parallel = choice['disable_parallel_tool_use'] === true ? { parallel_tool_calls: false } : {}
  switch (choice['type']) {
    case 'any':
      return { tool_choice: 'required', ...parallel }
    case 'tool':
      if (typeof choice['name'] !== 'string') throw missing('tool_choice.name')
      return { tool_choice: { type: 'function', function: { name: choice['name'] } }, ...parallel }
    default:
      return { tool_choice: choice['type'], ...parallel }
  }
}
