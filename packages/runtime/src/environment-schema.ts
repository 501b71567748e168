import type { Environment, EnvironmentFault } from './environment.ts'
import { RuntimeError } from './errors.ts'

/** One variable: its name, how its text becomes a value, and what stands in when it is unset. */
export interface Field<T> {
  readonly variable: string
  readonly secret: boolean
  readonly expected: string
  readonly absent: { readonly kind: 'required' } | { readonly kind: 'default'; readonly value: T }
  /** The value, or undefined when the text is not one. */
  parse(text: string): T | undefined
}

interface FieldOptions<T> {
  /** Without it the variable is required. `undefined` makes it optional. */
  readonly default?: T
  /** The value is never shown in a fault. Values from files never are. */
  readonly secret?: boolean
}

export type Schema = Readonly<Record<string, Field<unknown>>>
export type Values<S extends Schema> = { readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never }

export type ParsedEnvironment<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly faults: readonly EnvironmentFault[] }

/** Thrown by a main.ts that cannot go on; its message lists every fault. */
export class EnvironmentError extends RuntimeError {
  readonly faults: readonly EnvironmentFault[]

  constructor(faults: readonly EnvironmentFault[]) {
    super(
      'environment_invalid',
      `the environment has ${faults.length} fault(s):\n${faults.map(describeFault).join('\n')}`,
    )
    this.name = 'EnvironmentError'
    this.faults = faults
  }
}

/** Parses every field of the schema and reports all faults at once, in the schema's order. */
export function parseEnvironment<const S extends Schema>(
  environment: Environment,
  schema: S,
): ParsedEnvironment<Values<S>> {
  const values: Record<string, unknown> = {}
  const faults: EnvironmentFault[] = []
  for (const [key, field] of Object.entries(schema)) {
    const faultsBefore = environment.faults.length
    const text = environment.get(field.variable)
    if (text === undefined) {
      if (environment.faults.length > faultsBefore) faults.push(...environment.faults.slice(faultsBefore))
      else if (field.absent.kind === 'default') values[key] = field.absent.value
      else faults.push({ name: field.variable, found: 'nothing', expected: field.expected })
      continue
    }
    const value = field.parse(text.trim())
    if (value === undefined) {
      const hidden = field.secret || environment.isFromFile(field.variable)
      faults.push({
        name: field.variable,
        found: hidden ? 'something else (not shown)' : JSON.stringify(text.slice(0, 60)),
        expected: field.expected,
      })
      continue
    }
    values[key] = value
  }
  return faults.length > 0 ? { ok: false, faults } : { ok: true, value: values as Values<S> }
}

/** `REDIS_URL: found "x", expected a URL` */
export function describeFault(fault: EnvironmentFault): string {
  return `${fault.name}: found ${fault.found}, expected ${fault.expected}`
}

/** Any text. */
export function textVariable<const D extends string | undefined = string>(
  variable: string,
  options: FieldOptions<D> = {},
): Field<string | D> {
  return field(variable, options, 'a text', (value) => value)
}

/** A whole number within bounds. */
export function integerVariable<const D extends number | undefined = number>(
  variable: string,
  options: FieldOptions<D> & { readonly min?: number; readonly max?: number } = {},
): Field<number | D> {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = options
  const bounds = options.min === undefined && options.max === undefined ? '' : ` from ${min} to ${max}`
  return field(variable, options, `a whole number${bounds}`, (value) => {
    const number = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN
    return number >= min && number <= max ? number : undefined
  })
}

/** true, 1, yes, on; false, 0, no, off. */
export function flagVariable<const D extends boolean | undefined = boolean>(
  variable: string,
  options: FieldOptions<D> = {},
): Field<boolean | D> {
  return field(variable, options, 'true or false', (value) => {
    const word = value.toLowerCase()
    if (['true', '1', 'yes', 'on'].includes(word)) return true
    return ['false', '0', 'no', 'off'].includes(word) ? false : undefined
  })
}

/** One of the words given. */
export function choiceVariable<const W extends readonly string[], const D extends W[number] | undefined = W[number]>(
  variable: string,
  words: W,
  options: FieldOptions<D> = {},
): Field<W[number] | D> {
  return field(variable, options, `one of ${words.join(', ')}`, (value) => words.find((word) => word === value))
}

/** A URL whose protocol is one of those given (`http:`). Never shown in a fault: it may hold a password. */
export function urlVariable<const D extends string | undefined = string>(
  variable: string,
  options: FieldOptions<D> & { readonly protocols: readonly string[] },
): Field<string | D> {
  const expected = `a URL that starts with ${options.protocols.map((protocol) => `${protocol}//`).join(' or ')}`
  return field(variable, { secret: true, ...options }, expected, (value) =>
    URL.canParse(value) && options.protocols.includes(new URL(value).protocol) ? value : undefined,
  )
}

function field<T>(variable: string, options: FieldOptions<T>, expected: string, parse: Field<T>['parse']): Field<T>
function field<T, D>(
  variable: string,
  options: FieldOptions<D>,
  expected: string,
  parse: (text: string) => T | undefined,
): Field<T | D>
function field<T, D>(
  variable: string,
  options: FieldOptions<D>,
  expected: string,
  parse: (text: string) => T | undefined,
): Field<T | D> {
  const absent =
    'default' in options ? ({ kind: 'default', value: options.default as D } as const) : ({ kind: 'required' } as const)
  return { variable, secret: options.secret ?? false, expected, absent, parse }
}
