import type { Candidate, ErrorCode } from '@inferq/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRouter, nextCandidate, quietDeployments, type RouteRequest } from '../src/index.ts'
import { configOf, type DeploymentSketch } from './support/config.ts'
import { chat, errorIn, live, modelsIn, open } from './support/requests.ts'

type Routing = NonNullable<Parameters<typeof configOf>[1]>

const letters: readonly DeploymentSketch[] = ['a', 'b', 'c', 'd', 'e', 'long', 'free'].map((model) => ({
  model,
  id: model,
  contextWindow: model === 'long' ? 100_000 : 1000,
}))

function models(fallbacks: Routing['fallbacks'], request: RouteRequest = chat('a'), routing: Routing = {}) {
  const router = createRouter(configOf(letters, { ...routing, ...(fallbacks === undefined ? {} : { fallbacks }) }))
  return modelsIn(router.route(request, quietDeployments))
}

const longRequest = chat('a', { body: { messages: [{ role: 'user', content: 'word '.repeat(3000) }] } })

describe('fallbacks', () => {
  it('are followed from model to model, each model once', () => {
    expect(models({ any: { a: ['b', 'c'], b: ['d'], d: ['a', 'c'] } })).toEqual(['a', 'b', 'd', 'c'])
  })

  it('are as many as allowed', () => {
    expect(models({ any: { a: ['b', 'c', 'd', 'e'] } }, chat('a'), { maxFallbacks: 2 })).toEqual(['a', 'b', 'c'])
    expect(models({ any: { a: ['b'] } }, chat('a'), { maxFallbacks: 0 })).toEqual(['a'])
  })

  it('are the default ones for models without any', () => {
    expect(models({ any: { b: ['c'] }, otherwise: ['b', 'd'] })).toEqual(['a', 'b', 'c', 'd'])
    expect(models({ any: { a: ['b'], b: ['c'], c: [] }, otherwise: ['d'] })).toEqual(['a', 'b', 'c'])
  })

  it('for certain failures come directly after their model', () => {
    expect(
      models({ any: { a: ['b'] }, contextWindow: { a: ['long'], b: ['long'] }, contentPolicy: { a: ['free'] } }),
    ).toEqual(['a', 'long?context_window', 'free?content_policy', 'b', 'long?context_window'])
  })

  it('for long prompts take the place of a model that is surely too small, then the general ones', () => {
    expect(
      models({ any: { a: ['b'] }, contextWindow: { a: ['long'] }, contentPolicy: { a: ['free'] } }, longRequest),
    ).toEqual(['long'])
    expect(models({ any: { a: ['b', 'long'] } }, longRequest)).toEqual(['long'])
    const router = createRouter(configOf(letters, { fallbacks: { any: { a: ['b'] } } }))
    expect(errorIn(router.route(longRequest, quietDeployments))).toMatchObject({
      code: 'context_length_exceeded',
      param: 'messages',
    })
  })

  it('follow aliases and wildcards', () => {
    const config = configOf([{ model: 'v/*' }, { model: 'w/*' }, { model: 'b' }], {
      aliases: { other: { model: 'b', hidden: false } },
      fallbacks: { any: { 'v/*': ['other'], b: ['w/x'] } },
    })
    expect(modelsIn(createRouter(config).route(chat('v/1'), quietDeployments))).toEqual(['v/1', 'b', 'w/x'])
  })

  it('stay with their model when its circuits are open', () => {
    const router = createRouter(configOf(letters, { fallbacks: { any: { a: ['b'] }, contextWindow: { a: ['long'] } } }))
    const decide = (ids: readonly string[]) =>
      modelsIn(router.route(chat('a'), live(Object.fromEntries(ids.map((id) => [id, open()])))))
    expect(decide(['a'])).toEqual(['b', 'a', 'long?context_window'])
    expect(decide(['a', 'b'])).toEqual(['a', 'long?context_window', 'b'])
  })

  it('never begin with one for certain failures only, and never repeat an unconditional model', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'long', 'free')
    const lists = fc.dictionary(name, fc.array(name, { maxLength: 4 }))
    fc.assert(
      fc.property(
        fc.record({
          any: lists,
          contextWindow: lists,
          contentPolicy: lists,
          otherwise: fc.array(name, { maxLength: 3 }),
        }),
        fc.subarray(['a', 'b', 'c', 'long']),
        fc.boolean(),
        (fallbacks, failing, isLong) => {
          const router = createRouter(configOf(letters, { fallbacks }))
          const circuits = Object.fromEntries(failing.map((id) => [id, open()]))
          const decision = router.route(isLong ? longRequest : chat('a'), live(circuits))
          if (decision.kind === 'refused') return
          expect(decision.candidates[0]?.after).toBeUndefined()
          const unconditional = decision.candidates.filter(({ after }) => after === undefined).map(({ model }) => model)
          expect(new Set(unconditional).size).toBe(unconditional.length)
          expect(unconditional.length).toBeLessThanOrEqual(7)
        },
      ),
    )
  })
})

describe('a cascade', () => {
  const cascade = (names: readonly string[], routing: Routing = {}) =>
    createRouter(
      configOf(letters, {
        ...routing,
        rules: [{ to: { kind: 'cascade', models: names, escalateOn: ['refusal'], check: "output != ''" } }],
      }),
    )

  it('looks over every answer but that of the last model, whose fallbacks follow', () => {
    const router = cascade(['a', 'b', 'c'], { fallbacks: { any: { a: ['d'], c: ['b', 'e'] } } })
    const decision = router.route(chat('auto'), quietDeployments)
    expect(modelsIn(decision)).toEqual(['a!', 'b!', 'c', 'e'])
    expect(decision).toMatchObject({ cascade: { escalateOn: ['refusal'], check: "output != ''" } })
  })

  it('looks over nothing when there is no other model left to ask', () => {
    const router = cascade(['a', 'b'])
    expect(modelsIn(router.route(chat('auto'), live({ b: open() })))).toEqual(['a!', 'b'])
    expect(modelsIn(router.route(chat('auto'), live({ a: open() })))).toEqual(['b', 'a'])
    const long = cascade(['a', 'long']).route(longRequest, quietDeployments)
    expect(modelsIn(long)).toEqual(['long'])
    expect(long).not.toHaveProperty('cascade')
  })

  it('of one model for a request the others cannot serve is that model', () => {
    const embeddings = createRouter(
      configOf([{ model: 'e', mode: 'embedding' }, { model: 'f', mode: 'embedding' }, { model: 'a' }], {
        rules: [{ to: { kind: 'cascade', models: ['e', 'f', 'a'], escalateOn: ['refusal'] } }],
      }),
    )
    const decision = embeddings.route(chat('x', { operation: 'embeddings', body: { input: 'x' } }), quietDeployments)
    expect(modelsIn(decision)).toEqual(['e', 'f', 'a'])
    expect(decision).not.toHaveProperty('cascade')
  })
})

describe('the next candidate', () => {
  const candidate = (model: string, after?: Candidate['after'], deployments = [model]): Candidate => ({
    model,
    class: model,
    deployments,
    ...(after === undefined ? {} : { after }),
  })
  const list = [
    candidate('a'),
    candidate('a', undefined, ['a2']),
    candidate('l', 'context_window'),
    candidate('p', 'content_policy'),
    candidate('b'),
  ]

  it.each<[number, ErrorCode, number | null]>([
    [0, 'upstream_error', 1],
    [1, 'upstream_error', 4],
    [1, 'context_length_exceeded', 2],
    [1, 'content_filter', 3],
    [2, 'context_length_exceeded', 4],
    [2, 'upstream_timeout', 4],
    [0, 'answer_rejected', 4],
    [4, 'upstream_error', null],
    [9, 'upstream_error', null],
  ])('after hop %i and %s is %s', (hop, code, next) => {
    expect(nextCandidate(list, hop, { code })).toBe(next)
  })

  it('is not the same once more', () => {
    const again = [candidate('a'), candidate('l', 'context_window'), candidate('l'), candidate('b')]
    expect(nextCandidate(again, 1, { code: 'upstream_error' })).toBe(3)
  })

  it('is always further on, and never one for another failure', () => {
    const any = fc.record({
      model: fc.constantFrom('a', 'b'),
      class: fc.constantFrom('x', 'y'),
      after: fc.constantFrom(undefined, 'context_window' as const, 'content_policy' as const),
    })
    const toCandidate = ({
      model,
      class: name,
      after,
    }: {
      model: string
      class: string
      after: Candidate['after']
    }) => ({
      ...candidate(model, after),
      class: name,
    })
    const codes = ['context_length_exceeded', 'content_filter', 'upstream_error', 'answer_rejected'] as const
    fc.assert(
      fc.property(fc.array(any.map(toCandidate)), fc.nat(9), fc.constantFrom(...codes), (candidates, hop, code) => {
        const next = nextCandidate(candidates, hop, { code })
        if (next === null) return
        expect(next).toBeGreaterThan(hop)
        const { after } = candidates[next] ?? {}
        if (after === 'context_window') expect(code).toBe('context_length_exceeded')
        if (after === 'content_policy') expect(code).toBe('content_filter')
      }),
    )
  })
})
