import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'

type Json = Readonly<Record<string, unknown>>

/** What the tests ask of an OpenAPI document: every schema in it is written out in place, without references. */
export interface OpenApiDocument {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

interface Operation {
  readonly responses?: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Json }>> }>
  >
}

// Formats and descriptions are for readers here.
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })

/** Why a value is not what a schema says; nothing when it is. */
export function schemaFaults(schema: Json, value: unknown): readonly string[] {
  const validate = ajv.compile(schema)
  if (validate(value)) return []
  return (validate.errors ?? []).map(({ instancePath, message }: ErrorObject) => `${instancePath} ${message}`)
}

/** The schema of the JSON answer of a request, by its path as it was sent; null where none is documented. */
export function schemaOfAnswer(document: OpenApiDocument, method: string, path: string, status: number): Json | null {
  const template = Object.keys(document.paths)
    .filter((one) => patternOf(one).test(path))
    .sort((a, b) => a.split('{').length - b.split('{').length)[0]
  const operation = document.paths[template ?? '']?.[method.toLowerCase()]
  return operation?.responses?.[String(status)]?.content?.['application/json']?.schema ?? null
}

export interface DocumentedExample {
  /** Where in the document. */
  readonly at: string
  readonly schema: Json
  readonly value: unknown
}

/** Every example in a document, with the schema it stands beside. */
export function examplesOf(document: unknown, at = '#'): readonly DocumentedExample[] {
  if (Array.isArray(document)) return document.flatMap((item, index) => examplesOf(item, `${at}/${index}`))
  if (typeof document !== 'object' || document === null) return []
  const { examples, example, schema } = document as Json
  const beside = typeof schema === 'object' && schema !== null ? (schema as Json) : (document as Json)
  const values = Array.isArray(examples)
    ? examples
    : typeof examples === 'object' && examples !== null
      ? Object.values(examples).map((one: unknown) => (one as { readonly value: unknown }).value)
      : example === undefined
        ? []
        : [example]
  const own = values.map((value: unknown, index) => ({ at: `${at}/examples/${index}`, schema: beside, value }))
  const deeper = Object.entries(document).filter(([name]) => name !== 'examples' && name !== 'example')
  return [...own, ...deeper.flatMap(([name, value]) => examplesOf(value, `${at}/${name}`))]
}

function patternOf(template: string): RegExp {
  const source = template
    .split(/\{[^}]+\}/)
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('[^/]+')
  return new RegExp(`^${source}$`)
}
