import { isUtf8 } from 'node:buffer'
import { InferqError } from '@inferq/contracts'

/** Deeper than any schema of a tool; far from what would exhaust a stack. */
const maxDepth = 100

/**
 * The JSON of a body, undefined for none. Of a field that comes twice the last one counts, as everywhere. Refused as
 * `invalid_json`: what is no UTF-8 or no JSON, and what no upstream could be sent as it is: `__proto__`, numbers out of
 * range, half a surrogate pair. Throws InferqError, naming the field where there is one.
 */
export function parseJsonBody(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined
  if (!isUtf8(bytes)) throw notJson('it is not UTF-8')
  // A byte order mark is none of JSON's, but some editors leave one.
  const isMarked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  const text = bytes.toString('utf8', isMarked ? 3 : 0)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw notJson()
  }
  // Only an escape can make half a pair in a text that is UTF-8, and only a text with either name can hold these fields.
  const look: Look = {
    surrogates: /\\u[dD][89a-fA-F]/.test(text),
    prototypes: text.includes('__proto__') || text.includes('\\u') || text.includes('constructor'),
  }
  lookOver(value, look, 0, [])
  return value
}

interface Look {
  readonly surrogates: boolean
  readonly prototypes: boolean
}

type Path = (string | number)[]

function lookOver(value: unknown, look: Look, depth: number, path: Path): void {
  if (typeof value === 'string') {
    if (look.surrogates && !value.isWellFormed()) throw notJson('it holds half a surrogate pair', path)
    return
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw notJson('a number is out of range', path)
    return
  }
  if (typeof value !== 'object' || value === null) return
  if (depth === maxDepth) throw notJson(`it is nested more than ${maxDepth} deep`)
  if (Array.isArray(value)) {
    for (let place = 0; place < value.length; place++) {
      path.push(place)
      lookOver(value[place], look, depth + 1, path)
      path.pop()
    }
    return
  }
  for (const name of Object.keys(value)) {
    if (look.prototypes) checkName(name, value)
    if (look.surrogates && !name.isWellFormed()) throw notJson('it holds half a surrogate pair', path)
    path.push(name)
    lookOver((value as Record<string, unknown>)[name], look, depth + 1, path)
    path.pop()
  }
}

/** Names by which careless code downstream could be made to change what all objects share. */
function checkName(name: string, owner: object): void {
  if (name === '__proto__') throw notJson("'__proto__' is not allowed as a name")
  if (name !== 'constructor') return
  const held: unknown = (owner as Readonly<Record<string, unknown>>)[name]
  if (typeof held === 'object' && held !== null && Object.hasOwn(held, 'prototype')) {
    throw notJson("'constructor.prototype' is not allowed as a name")
  }
}

function notJson(why?: string, path: Path = []): InferqError {
  const param = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')
  const field = param.startsWith('.') ? param.slice(1, 200) : param.slice(0, 199)
  const where = field === '' ? '' : ` (at '${field.toWellFormed()}')`
  const message = `The body of the request is not valid JSON${why === undefined ? '' : `: ${why}`}${where}.`
  return new InferqError({ code: 'invalid_json', message, ...(field === '' ? {} : { param: field.toWellFormed() }) })
}
