import { pick, type Random } from './random.ts'

type Schema = Readonly<Record<string, unknown>>

const words = ['amber', 'birch', 'cedar', 'delta', 'ember', 'fjord', 'grove', 'heron']
const mostNodes = 1_000
const deepest = 12

/**
 * A small value that a JSON schema allows, for the keywords models are commonly given, local `$ref`s included. A schema
 * that refers to itself ends in null.
 */
export function valueForSchema(schema: unknown, random: Random): unknown {
  let nodes = 0

  function value(given: unknown, depth: number): unknown {
    nodes += 1
    if (!isSchema(given) || depth > deepest || nodes > mostNodes) return null
    if ('const' in given) return given['const']
    if (typeof given['$ref'] === 'string') return value(resolve(schema, given['$ref']), depth + 1)
    const choices = given['enum']
    if (Array.isArray(choices) && choices.length > 0) return pick(random, choices)
    for (const keyword of ['anyOf', 'oneOf', 'allOf']) {
      const options = given[keyword]
      if (Array.isArray(options) && options.length > 0) return value(options[0], depth + 1)
    }
    switch (typeOf(given)) {
      case 'object':
        return Object.fromEntries(
          Object.entries(isSchema(given['properties']) ? given['properties'] : {}).map(([name, property]) => [
            name,
            value(property, depth + 1),
          ]),
        )
      case 'array':
        return [value(given['items'] ?? { type: 'string' }, depth + 1)]
      case 'integer':
        return within(given, 42)
      case 'number':
        return within(given, 4.5)
      case 'boolean':
        return random() < 0.5
      case 'null':
        return null
      default:
        return pick(random, words)
    }
  }

  return value(schema, 0)
}

/** JSON text that no longer is any: its end is missing, or stands where none should be. */
export function breakJson(json: string): string {
  return /^[[{"]/.test(json) ? json.slice(0, -1) : `${json}"`
}

function typeOf(schema: Schema): unknown {
  const type = schema['type']
  if (Array.isArray(type)) return type.find((one) => one !== 'null')
  // Gemini's schemas write their types in capitals.
  if (typeof type === 'string') return type.toLowerCase()
  return type ?? (isSchema(schema['properties']) ? 'object' : 'string')
}

function within(schema: Schema, preferred: number): number {
  const { minimum, maximum } = schema as { minimum?: unknown; maximum?: unknown }
  const capped = typeof maximum === 'number' ? Math.min(maximum, preferred) : preferred
  return typeof minimum === 'number' ? Math.max(minimum, capped) : capped
}

function resolve(root: unknown, reference: string): unknown {
  let found: unknown = root
  for (const part of reference.split('/').slice(1)) {
    found = isSchema(found) && Object.hasOwn(found, part) ? found[part] : undefined
  }
  return found
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
