import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Stack, startStack } from '../support/stack.ts'
import { examplesOf, type OpenApiDocument, schemaFaults } from './openapi-document.ts'

let stack: Stack
let document: OpenApiDocument & Record<string, unknown>

beforeAll(async () => {
  stack = await startStack()
  const ingress = await stack.startIngress()
  document = (await (await fetch(`${ingress.url}/openapi.json`)).json()) as typeof document
})
afterAll(() => stack.close())

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator()
    const result = await validator.validate(structuredClone(document))
    expect(result.errors ?? []).toEqual([])
    expect([result.valid, validator.version]).toEqual([true, '3.1'])
  })

  it('gives examples that its own schemas accept', () => {
    const examples = examplesOf(document)
    expect(examples.length).toBeGreaterThan(20)
    const faults = examples.flatMap(({ at, schema, value }) => {
      const found = schemaFaults(schema, value)
      return found.length === 0 ? [] : [{ at, found }]
    })
    expect(faults).toEqual([])
  })

  it('names each operation once, under a summary and a tag, with its failures', () => {
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, ...operation })),
    )
    for (const operation of operations) {
      expect([operation.name, operation]).toEqual([
        operation.name,
        expect.objectContaining({
          summary: expect.any(String),
          tags: [expect.any(String)],
          responses: expect.any(Object),
        }),
      ])
    }
    const ids = operations.flatMap((operation) => ('operationId' in operation ? [operation.operationId] : []))
    expect(new Set(ids).size).toBe(ids.length)
  })
})
