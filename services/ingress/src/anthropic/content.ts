import { invalid, isObject, isVoid, type JsonObject, missing, requiredText, unsupported } from './fault.ts'

/** A part of a chat message's content, in OpenAI's words; `cache_control` as LiteLLM takes it. */
export type Part = JsonObject

const mediaBlocks = ['text', 'image', 'document', 'search_result'] as const

/**
 * What may stand in a user's turn and in a tool's result, as parts of a chat message. Documents that are text become text:
 * every model can read them. Throws naming what only Anthropic's own service has (files kept there, citations).
 */
export function toParts(block: JsonObject, path: string): readonly Part[] {
  switch (block['type']) {
    case 'text':
      return [{ type: 'text', text: requiredText(block, 'text', path), ...cacheControl(block) }]
    case 'image':
      return [{ type: 'image_url', image_url: { url: imageUrl(block, path) }, ...cacheControl(block) }]
    case 'document':
      return documentParts(block, path)
    case 'search_result':
      return searchResultParts(block, path)
    default:
      throw unsupported(`${path}.type`, `must be one of ${mediaBlocks.map((type) => `'${type}'`).join(', ')} here`)
  }
}

/** Parts as a chat message's content: one text alone is a text. */
export function contentOf(parts: readonly Part[]): string | readonly Part[] {
  const [only] = parts
  const isPlain = parts.length === 1 && only?.['type'] === 'text' && only['cache_control'] === undefined
  return isPlain ? (only['text'] as string) : parts
}

export function cacheControl(block: JsonObject): JsonObject {
  const { cache_control: control } = block
  return isVoid(control) ? {} : { cache_control: control }
}

/** The content of a block or message as blocks; a text is one. */
export function blocksOf(content: unknown, path: string): readonly JsonObject[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  if (!Array.isArray(content)) throw invalid(path, 'must be a string or an array')
  return content.map((block, index) => {
    if (isObject(block)) return block
    throw invalid(`${path}[${index}]`, 'must be an object')
  })
}

function imageUrl(block: JsonObject, path: string): string {
  const source = sourceOf(block, path)
  switch (source['type']) {
    case 'base64':
      return dataUrl(source, `${path}.source`)
    case 'url':
      return requiredText(source, 'url', `${path}.source`)
    default:
      throw unsupported(`${path}.source.type`, "must be one of 'base64', 'url'")
  }
}

function documentParts(block: JsonObject, path: string): readonly Part[] {
  refuseCitations(block, path)
  const source = sourceOf(block, path)
  const title = typeof block['title'] === 'string' ? block['title'] : undefined
  const context = typeof block['context'] === 'string' ? block['context'] : undefined
  const sourcePath = `${path}.source`
  const introduced = (parts: readonly Part[]): readonly Part[] =>
    context === undefined ? parts : [{ type: 'text', text: context }, ...parts]
  switch (source['type']) {
    case 'base64': {
      const file = { file_data: dataUrl(source, sourcePath), ...(title === undefined ? {} : { filename: title }) }
      return introduced([{ type: 'file', file, ...cacheControl(block) }])
    }
    case 'url': {
      // LiteLLM's way to name a file by its address.
      const file = { file_id: requiredText(source, 'url', sourcePath), format: 'application/pdf' }
      return introduced([{ type: 'file', file, ...cacheControl(block) }])
    }
    case 'text':
      return [inText(requiredText(source, 'data', sourcePath), title, context, block)]
    case 'content': {
      const { content } = source
      if (isVoid(content)) throw missing(`${sourcePath}.content`)
      const contentPath = `${sourcePath}.content`
      const parts = blocksOf(content, contentPath).flatMap((inner, index) => {
        if (inner['type'] === 'text' || inner['type'] === 'image') return toParts(inner, `${contentPath}[${index}]`)
        throw unsupported(`${contentPath}[${index}].type`, "must be one of 'text', 'image'")
      })
      return introduced(withCacheControl(parts, block))
    }
    default:
      throw unsupported(`${sourcePath}.type`, "must be one of 'base64', 'url', 'text', 'content'")
  }
}

function searchResultParts(block: JsonObject, path: string): readonly Part[] {
  refuseCitations(block, path)
  const title = requiredText(block, 'title', path)
  const source = requiredText(block, 'source', path)
  const texts = blocksOf(block['content'], `${path}.content`).map((inner, index) =>
    requiredText(inner, 'text', `${path}.content[${index}]`),
  )
  return [inText(texts.join('\n'), title, source, block)]
}

/** A document as a text that says what it is. */
function inText(text: string, title: string | undefined, context: string | undefined, block: JsonObject): Part {
  const head = [title === undefined ? [] : [`Title: ${title}`], context === undefined ? [] : [context]].flat()
  const body = head.length === 0 ? text : `${head.join('\n')}\n\n${text}`
  return { type: 'text', text: `<document>\n${body}\n</document>`, ...cacheControl(block) }
}

/** The mark of a block of several parts belongs to the last of them. */
function withCacheControl(parts: readonly Part[], block: JsonObject): readonly Part[] {
  const last = parts.at(-1)
  return last === undefined || isVoid(block['cache_control'])
    ? parts
    : [...parts.slice(0, -1), { ...last, ...cacheControl(block) }]
}

/** No other model answers with places in a document; a client that asked for them would wait in vain. */
function refuseCitations(block: JsonObject, path: string): void {
  const { citations } = block
  if (isObject(citations) && citations['enabled'] === true) {
    throw unsupported(`${path}.citations.enabled`, 'citations are not available here')
  }
}

function sourceOf(block: JsonObject, path: string): JsonObject {
  const { source } = block
  if (isVoid(source)) throw missing(`${path}.source`)
  if (!isObject(source)) throw invalid(`${path}.source`, 'must be an object')
  if (typeof source['type'] !== 'string') throw missing(`${path}.source.type`)
  return source
}

function dataUrl(source: JsonObject, path: string): string {
  const mediaType = requiredText(source, 'media_type', path)
  if (!/^[\w.+-]+\/[\w.+-]+$/.test(mediaType)) throw invalid(`${path}.media_type`, 'must be a media type')
  return `data:${mediaType};base64,${requiredText(source, 'data', path)}`
}
