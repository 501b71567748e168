import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRouter, quietDeployments } from '../src/index.ts'
import { configOf } from './support/config.ts'
import { candidatesIn, chat, errorIn, modelsIn } from './support/requests.ts'

const config = configOf(
  [
    { model: 'gpt-4o' },
    { model: 'openai/gpt-4o', upstreamModel: 'special' },
    { model: 'openai/*', upstreamModel: '*', class: 'some' },
    { model: 'openai/gpt-*', upstreamModel: 'vendor/*-turbo', class: 'gpts' },
    { model: 'embed', mode: 'embedding' },
  ],
  {
    aliases: {
      fast: { model: 'quick', hidden: false },
      quick: { model: 'gpt-4o', hidden: true },
      any: { model: 'openai/o9', hidden: false },
      loop: { model: 'pool', hidden: false },
      pool: { model: 'loop', hidden: false },
      embed: { model: 'gpt-4o', hidden: false },
    },
  },
)
const router = createRouter(config)
const route = (model: string) => router.route(chat(model), quietDeployments)

describe('a name', () => {
  it('is a model before it is an alias, and an alias before a wildcard matches it', () => {
    expect(modelsIn(route('gpt-4o'))).toEqual(['gpt-4o'])
    expect(modelsIn(route('fast'))).toEqual(['gpt-4o'])
    expect(errorIn(route('embed'))).toMatchObject({ code: 'invalid_value' })
    expect(route('fast')).toMatchObject({ note: { reason: "'fast' is another name of gpt-4o" } })
  })

  it('goes to the wildcard with the longest literal part, and keeps its own name', () => {
    expect(candidatesIn(route('openai/o3'))).toEqual([
      { model: 'openai/o3', class: 'some', deployments: ['openai/*#2'] },
    ])
    expect(candidatesIn(route('openai/gpt-5'))).toEqual([
      { model: 'openai/gpt-5', class: 'gpts', deployments: ['openai/gpt-*#3'] },
    ])
    expect(candidatesIn(route('openai/gpt-4o'))[0]?.deployments).toEqual(['openai/gpt-4o#1'])
    expect(candidatesIn(route('any'))).toMatchObject([{ model: 'openai/o9', class: 'some' }])
  })

  it('is filled in at the upstream where a wildcard matched it', () => {
    const deployment = (id: string) => router.deployment(id) ?? config.deployments[0]
    const upstream = (id: string, model: string) => {
      const found = deployment(id)
      return found && router.upstreamModel(found, model)
    }
    expect(upstream('openai/*#2', 'openai/o3')).toBe('o3')
    expect(upstream('openai/gpt-*#3', 'openai/gpt-5$&')).toBe('vendor/5$&-turbo')
    expect(upstream('openai/gpt-4o#1', 'anything')).toBe('special')
  })

  it('nobody has is told, whatever it is', () => {
    for (const name of ['gpt-9', 'loop', 'openai/', '__proto__', 'constructor', '']) {
      expect(router.knows(name)).toBe(false)
      expect(errorIn(route(name))).toMatchObject({ code: 'model_not_found', param: 'model' })
    }
    expect(router.knows('openai/x')).toBe(true)
  })

  it('of an embedding model is told to who asks for completions, and the other way round', () => {
    const embedding = chat('gpt-4o', { operation: 'embeddings' })
    const chats = createRouter(configOf([{ model: 'talk', mode: 'chat' }, { model: 'both' }]))
    expect(errorIn(chats.route({ ...embedding, model: 'talk' }, quietDeployments)).message).toContain(
      'only completions',
    )
    expect(modelsIn(chats.route({ ...embedding, model: 'both' }, quietDeployments))).toEqual(['both'])
  })

  it('of a wildcard gives back what it matched', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (rest) => {
        const found = router.deployment('openai/*#2')
        if (found === undefined) throw new Error('gone')
        expect(router.upstreamModel(found, `openai/${rest}`)).toBe(rest)
      }),
    )
  })
})
