import {
  ChatCompletionRequest,
  EmbeddingsRequest,
  InferqError,
  type Operation,
  SummarizationRequest,
  TextCompletionRequest,
} from '@inferq/contracts'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify'
import { describeFault, unsupportedKeyword } from './validation-faults.ts'

/** The schema of each operation's request body. */
export const requestSchemas = {
  chat: ChatCompletionRequest,
  text: TextCompletionRequest,
  embeddings: EmbeddingsRequest,
  summary: SummarizationRequest,
} as const satisfies Record<Operation, object>

export interface Validation {
  /** For Fastify: bodies as they are, query strings and parameters with their text turned into numbers. */
  readonly compiler: FastifySchemaCompiler<object>
  /** Throws InferqError naming the field, under `prefix`. */
  check(operation: Operation, body: unknown, prefix: string): void
}

/**
 * Schemas are compiled once each, however many routes share them, and when they are first asked: all of them at the start
 * took a third of it. Ajv does not optimize what it makes: that is twice the work, for code that V8 runs as fast. The first
 * fault ends a validation: a hostile body costs no more than a good one. `verbose` only puts the value at fault beside it,
 * to name its type.
 */
export function createValidation(): Validation {
  const common = {
    removeAdditional: false,
    useDefaults: false,
    allErrors: false,
    verbose: true,
    code: { optimize: false },
    strict: false,
    strictNumbers: true,
  } as const
  const exact = new Ajv({ ...common, coerceTypes: false })
  const coercing = new Ajv({ ...common, coerceTypes: true })
  for (const ajv of [exact, coercing])
    ajv.addKeyword({ keyword: unsupportedKeyword, validate: () => false, errors: false })
  const compiled = new Map<object, ValidateFunction>()

  const compile = (schema: object, ajv: Ajv): ValidateFunction => {
    let validate = compiled.get(schema)
    if (validate === undefined) {
      validate = ajv.compile(schema)
      compiled.set(schema, validate)
    }
    return validate
  }

  return {
    compiler({ schema, httpPart }) {
      const ajv = httpPart === 'body' ? exact : coercing
      const check: SchemaCheck = (data) => {
        const validate = compile(schema, ajv)
        const isValid = validate(data)
        check.errors = validate.errors ?? null
        return isValid
      }
      return check
    },
    check(operation, body, prefix) {
      const validate = compile(requestSchemas[operation], exact)
      if (!validate(body)) throw new InferqError(describeFault(validate.errors ?? [], prefix))
    },
  }
}

/** What Fastify calls, and where it then looks for the faults. */
interface SchemaCheck {
  (data: unknown): boolean
  errors?: ErrorObject[] | null
}

/** Fastify's errors of a validation as ours. */
export function formatSchemaErrors(errors: FastifySchemaValidationError[]): Error {
  // They are Ajv's own: our compiler gives Ajv's functions.
  return new InferqError(describeFault(errors as unknown as ErrorObject[]))
}
