import { afterEach, beforeEach, expect, it } from 'vitest'
import { createApp } from '../src/app.ts'
import { type Bench, createBench } from './support/bench.ts'

let bench: Bench

beforeEach(async () => {
  bench = await createBench()
})
afterEach(() => bench.close())

/** Served, and no part of the contract: the document itself, and the pages that show it. */
const undocumented = /^\/(openapi\.json|docs.*)$/

it('every route is in the OpenAPI document, or is another spelling of one that is', async () => {
  const app = await createApp(bench.core)
  const { paths = {} } = app.swagger() as { paths?: Readonly<Record<string, Readonly<Record<string, unknown>>>> }
  const documented = new Set(
    Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`)),
  )
  const registered = routesIn(app.printRoutes({ commonPrefix: false }))
  await app.close()
  expect(registered.length).toBeGreaterThan(documented.size)
  const missing = registered.filter(({ method, path }) => {
    const spellings = [path, `/v1${path}`, withoutModel(path), path.replace(/^\/v1/, '')]
    return !undocumented.test(path) && !spellings.some((one) => documented.has(`${method} ${one}`))
  })
  expect(missing).toEqual([])
})

interface Route {
  readonly method: string
  /** With parameters as OpenAPI writes them. */
  readonly path: string
}

/** Reads the tree that Fastify prints: each line is a part of a path, deeper by four characters than its parent. */
function routesIn(tree: string): readonly Route[] {
  const parents: string[] = []
  return tree.split('\n').flatMap((line) => {
    const [, indent = '', part = '', methods = ''] = /^([│ ]*(?:[├└]── ))(.*?)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? []
    if (indent === '') return []
    const depth = indent.length / 4 - 1
    parents.length = depth
    parents.push(part.replace(/ \(-\)$/, ''))
    const path = parents.join('').replace(/\/:(\w+)/g, '/{$1}')
    const asked = methods.split(', ').filter((method) => method !== '' && method !== 'HEAD' && method !== 'OPTIONS')
    return asked.map((method) => ({ method: method.toLowerCase(), path }))
  })
}

/** In these the model stands in the path; names of models may hold slashes. */
function withoutModel(path: string): string {
  return path
    .replace(/^(\/v1)?\/(engines|openai\/deployments)\/\{model\}/, '/v1')
    .replace(/^(\/v1)?\/models\*$/, '/v1/models/{model}')
}
