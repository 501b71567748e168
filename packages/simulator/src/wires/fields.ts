import { invalidField, RequestError } from '../errors.ts'
import type { Script } from '../script.ts'
import { parseScript, ScriptError } from '../script-parse.ts'

export type Fields = Readonly<Record<string, unknown>>

/** The JSON object in a body. Throws a RequestError with 400. */
export function parseBody(text: string): Fields {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new RequestError(400, 'We could not parse the JSON body of your request.')
  }
  if (!isFields(body)) throw new RequestError(400, 'The body must be a JSON object.')
  return body
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function requiredText(fields: Fields, name: string): string {
  const value = fields[name]
  if (value === undefined) throw new RequestError(400, `You must provide a ${name} parameter.`, { param: name })
  if (typeof value !== 'string' || value === '') throw invalidField(name, 'it must be a string that is not empty')
  return value
}

/** As the request names its user; empty where it does not. */
export function userOf(fields: Fields): string {
  const user = fields['user']
  return typeof user === 'string' ? user : ''
}

export function flag(fields: Fields, name: string, otherwise: boolean): boolean {
  const value = fields[name] ?? otherwise
  if (typeof value !== 'boolean') throw invalidField(name, 'it must be true or false')
  return value
}

export function wholeNumber(fields: Fields, name: string, least: number, most: number): number | undefined {
  const value = fields[name] ?? undefined
  if (value === undefined) return undefined
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw invalidField(name, `it must be a whole number from ${least} to ${most}`)
  }
  return value as number
}

/** A string or a list of strings, as a list. */
export function texts(fields: Fields, name: string, most: number): readonly string[] {
  const value = fields[name] ?? []
  const list = typeof value === 'string' ? [value] : value
  if (!Array.isArray(list) || !list.every((one) => typeof one === 'string')) {
    throw invalidField(name, 'it must be a string or a list of strings')
  }
  if (list.length > most) throw invalidField(name, `it must have at most ${most} items`)
  return list.filter((one) => one !== '')
}

/** The script a request carries in `sim`. */
export function inlineScript(value: unknown): Script | undefined {
  if (value === undefined || value === null) return undefined
  try {
    return parseScript(value, 'sim')
  } catch (error) {
    if (error instanceof ScriptError) {
      throw new RequestError(400, error.message, { param: error.field, code: error.code })
    }
    throw error
  }
}

/** Throws a RequestError with 405 for any other method. */
export function allow(method: string, ...allowed: readonly string[]): void {
  if (!allowed.includes(method)) throw new RequestError(405, `Not allowed: ${method}; use ${allowed.join(' or ')}.`)
}

/** The name in a path, decoded. Throws a RequestError with 400. */
export function decodeName(encoded: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    throw new RequestError(400, 'The name in the path is not valid percent-encoding.')
  }
}
