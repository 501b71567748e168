import type { LanguageModelV4FilePart, SharedV4ProviderOptions } from '@ai-sdk/provider'
import { isObject, type JsonObject, refused } from '../json.ts'
import type { SdkWire } from './sdk.ts'

export type MediaPart = LanguageModelV4FilePart

/** What each wire takes beside texts: by content, and which of it by address. Nothing is ever fetched here. */
const taken: Readonly<Record<SdkWire, { readonly data: RegExp; readonly address: RegExp; readonly schemes: RegExp }>> =
  {
    anthropic: {
      data: /^(image\/|application\/pdf|text\/plain)/,
      address: /^(image\/|application\/pdf)/,
      schemes: /^https:/,
    },
    gemini: {
      data: /^(image|audio|video|text|application)\//,
      address: /^(image|audio|video|text|application)\//,
      schemes: /^https:/,
    },
    bedrock: { data: /^(image|video|text|application)\//, address: /^(image|video)\//, schemes: /^s3:/ },
    cohere: { data: /^(image\/|text\/)/, address: /^image\//, schemes: /^https?:/ },
  }

/** An `image_url`, `file` or `input_audio` part of OpenAI's. Throws `upstream_invalid_request` for what the wire has no way to say. */
export function readMedia(part: JsonObject, path: string, wire: SdkWire): MediaPart {
  switch (part['type']) {
    case 'image_url': {
      const image = part['image_url']
      const url = isObject(image) ? image['url'] : image
      return fromAddress(url, isObject(image) ? `${path}.image_url.url` : `${path}.image_url`, wire, 'image/jpeg')
    }
    case 'file':
      return readFile(part['file'], `${path}.file`, wire)
    case 'input_audio': {
      const audio = part['input_audio']
      if (!isObject(audio) || typeof audio['data'] !== 'string' || typeof audio['format'] !== 'string') {
        throw refused(`${path}.input_audio`, 'Audio needs its data and its format.')
      }
      return fromData(audio['data'], `audio/${audio['format']}`, `${path}.input_audio`, wire)
    }
    default:
      throw refused(`${path}.type`, 'This upstream takes parts of type text, image_url, file and input_audio only.')
  }
}

function readFile(file: unknown, path: string, wire: SdkWire): MediaPart {
  if (!isObject(file)) throw refused(path, 'The file must be an object.')
  const { file_data: data, file_id: id, filename } = file
  const name = typeof filename === 'string' ? { filename } : {}
  const format = typeof file['format'] === 'string' ? file['format'] : undefined
  if (typeof data === 'string') {
    if (data.startsWith('data:')) return { ...fromAddress(data, `${path}.file_data`, wire, 'application/pdf'), ...name }
    return {
      ...fromData(data, format ?? typeByName(filename) ?? 'application/pdf', `${path}.file_data`, wire),
      ...name,
    }
  }
  if (typeof id !== 'string') throw refused(path, 'The file needs its file_data.')
  // LiteLLM's way to name a file by its address.
  if (!/^[a-z0-9]+:\/\//i.test(id))
    throw refused(`${path}.file_id`, 'This upstream knows none of our files: send file_data.')
  return { ...fromAddress(id, `${path}.file_id`, wire, format ?? 'application/pdf'), ...name }
}

function fromAddress(address: unknown, path: string, wire: SdkWire, usualType: string): MediaPart {
  if (typeof address !== 'string') throw refused(path, 'The address must be a text.')
  const inline = /^data:([^;,]*)(?:;[^;,]*)*;base64,/i.exec(address.slice(0, 256))
  if (inline !== null) return fromData(address.slice(inline[0].length), inline[1] || usualType, path, wire)
  const { address: types, schemes } = taken[wire]
  const mediaType = typeByName(address.replace(/[?#].*$/s, '')) ?? usualType
  if (!URL.canParse(address) || !schemes.test(address) || !types.test(mediaType)) {
    throw refused(
      path,
      'This upstream does not take this by address: send it as a base64 data URL (data:image/png;base64,…).',
    )
  }
  return { type: 'file', mediaType, data: { type: 'url', url: new URL(address) } }
}

function fromData(data: string, mediaType: string, path: string, wire: SdkWire): MediaPart {
  if (!taken[wire].data.test(mediaType)) throw refused(path, `This upstream takes no ${mediaType}.`)
  // The SDK puts the bytes of a text file where Cohere wants its words.
  if (wire === 'cohere' && !mediaType.startsWith('image/')) {
    return { type: 'file', mediaType, data: { type: 'text', text: Buffer.from(data, 'base64').toString('utf8') } }
  }
  return { type: 'file', mediaType, data: { type: 'data', data } }
}

const types: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  heic: 'image/heic',
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  html: 'text/html',
  mp3: 'audio/mp3',
  wav: 'audio/wav',
  mp4: 'video/mp4',
}

function typeByName(name: unknown): string | undefined {
  const ending = typeof name === 'string' ? /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() : undefined
  return ending !== undefined && Object.hasOwn(types, ending) ? types[ending] : undefined
}

/** Anthropic's `cache_control` on a part, as LiteLLM takes it: the prompt up to here is worth keeping. */
export function cacheOptions(part: JsonObject): { providerOptions?: SharedV4ProviderOptions } {
  const control = part['cache_control']
  if (!isObject(control) || control['type'] !== 'ephemeral') return {}
  const ttl = control['ttl'] === '1h' || control['ttl'] === '5m' ? { ttl: control['ttl'] } : {}
  return {
    providerOptions: {
      anthropic: { cacheControl: { type: 'ephemeral', ...ttl } },
      amazonBedrock: { cachePoint: { type: 'default' } },
    },
  }
}
