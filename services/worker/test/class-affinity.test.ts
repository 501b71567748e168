import { createManualClock } from '@inferq/runtime'
import { beforeEach, describe, expect, it } from 'vitest'
import { type ClassAffinity, createClassAffinity } from '../src/affinity/class-affinity.ts'
import { homesOf } from '../src/affinity/homes.ts'
import { parseYaml } from './support.ts'

let clock: ReturnType<typeof createManualClock>
let affinity: ClassAffinity

beforeEach(() => {
  clock = createManualClock()
  affinity = createClassAffinity({ workerId: 'me', homes: new Set(['my gpu']), clock })
})

const hear = (worker: string, homes: readonly string[], served: readonly string[] = []): void =>
  affinity.hear({ worker, homes, served })

describe('a turn', () => {
  it('prefers whoever was the last to serve the one before, unless that is this worker', () => {
    hear('a', ['gpu a'], ['x', 'y'])
    hear('b', ['gpu b'], ['x'])
    expect([affinity.preferred('x'), affinity.preferred('y'), affinity.preferred('z')]).toEqual(['b', 'a', null])
    affinity.serve('x')
    expect(affinity.preferred('x')).toBeNull()
  })

  it('prefers nobody whose backends are those of this worker', () => {
    hear('twin', ['my gpu'], ['x'])
    expect([affinity.preferred('x'), affinity.matters()]).toEqual([null, false])
    affinity.homes = new Set(['another gpu'])
    expect([affinity.preferred('x'), affinity.matters()]).toEqual(['twin', true])
  })

  it('prefers nobody who leaves, does not answer, or is not heard of any more', async () => {
    for (const id of ['leaves', 'silent', 'lost']) hear(id, [`gpu of ${id}`], [id])
    affinity.hear({ worker: 'leaves', homes: [], served: [], leaves: true })
    affinity.forget('silent')
    expect(['leaves', 'silent', 'lost'].map((id) => affinity.preferred(id))).toEqual([null, null, 'lost'])
    await clock.advance(30_000)
    affinity.say()
    expect([affinity.preferred('lost'), affinity.matters()]).toEqual([null, false])
    hear('silent', ['gpu of silent'])
    expect(affinity.preferred('silent')).toBe('silent')
  })

  it('is forgotten after ten minutes, and the oldest when there are too many', async () => {
    const many = Array.from({ length: 50_001 }, (_, index) => `p${index}`)
    hear('a', ['gpu a'], many)
    expect([affinity.preferred('p0'), affinity.preferred('p1')]).toEqual([null, 'a'])
    await clock.advance(600_000)
    hear('a', ['gpu a'], ['new'])
    expect([affinity.preferred('p1'), affinity.preferred('new')]).toEqual([null, 'a'])
  })
})

describe('what a worker says', () => {
  it('is that it is there now and then, and what it has served at once, though not more often than others can hear', async () => {
    expect(affinity.say()).toEqual({ worker: 'me', homes: ['my gpu'], served: [] })
    expect(affinity.say()).toBeUndefined()
    await clock.advance(20)
    expect(affinity.say()).toBeUndefined()
    affinity.serve('x')
    affinity.serve('y')
    expect(affinity.say()?.served).toEqual(['x', 'y'])
    affinity.serve('z')
    expect(affinity.say()).toBeUndefined()
    for (let index = 0; index < 100; index++) hear(`other ${index}`, ['gpu'])
    await clock.advance(999)
    expect(affinity.say()).toBeUndefined()
    await clock.advance(1)
    expect(affinity.say()?.served).toEqual(['z'])
    await clock.advance(2_999)
    expect(affinity.say()).toBeUndefined()
    await clock.advance(1)
    expect(affinity.say()).toBeDefined()
  })

  it('is said to one who comes', async () => {
    affinity.say()
    await clock.advance(20)
    hear('new', ['gpu'])
    expect(affinity.say()).toBeDefined()
    await clock.advance(20)
    hear('new', ['gpu'])
    expect(affinity.say()).toBeUndefined()
  })
})

it('a backend is known by its address, one of the machine itself by the machine’s name too, and a cloud not at all', () => {
  const config = parseYaml(`
model_list:
  - model_name: a
    litellm_params: {model: hosted_vllm/a, api_base: "http://127.0.0.1:8000/v1"}
    model_info: {class: gpu}
  - model_name: b
    litellm_params: {model: hosted_vllm/b, api_base: "http://gpu-7:8000/v1"}
    model_info: {class: gpu}
  - model_name: c
    litellm_params: {model: openai/gpt, api_key: sk-test}
    model_info: {class: gpu}
`)
  expect([...homesOf(config, 'gpu', 'host')]).toEqual(['host http://127.0.0.1:8000/v1', 'http://gpu-7:8000/v1'])
  expect(homesOf(config, 'other', 'host').size).toBe(0)
})
