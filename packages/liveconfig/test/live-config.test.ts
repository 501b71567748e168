import { createTestRedis, type TestRedis, until } from '@inferq/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSealer } from '../src/index.ts'
import { overlayModel, publish, startProcess, type TestFile, yamlOf } from './support.ts'

let server: TestRedis
let file: TestFile

beforeEach(() => {
  server = createTestRedis()
  file = { text: yamlOf('chat') }
})
afterEach(() => server.close())

describe('a live configuration', () => {
  it('is swapped whole in every process when one is told, listeners after the swap', async () => {
    const [one, two] = [await startProcess(server, file), await startProcess(server, file)]
    const seen: string[] = []
    two.live.onChange((config, before) => {
      expect(two.live.current()).toBe(config)
      seen.push(`${before.models.length} to ${config.models.length}`)
    })
    file.text = yamlOf('chat', 'more')
    expect(await one.live.reload({ tell: true })).toMatchObject({ kind: 'loaded', changed: true })
    expect(one.models()).toEqual(['chat', 'more'])
    await until(() => two.models().includes('more'))
    expect(seen).toEqual(['1 to 2'])
  })

  it('is not told about without being asked, and not swapped when nothing has changed', async () => {
    const one = await startProcess(server, file)
    const heard: string[] = []
    const listener = await server.connect('subscriber')
    listener.on('message', (_channel, message: string) => heard.push(message))
    await listener.subscribe(server.keys.configChanges())
    const before = one.live.current()
    expect(await one.live.reload()).toMatchObject({ kind: 'loaded', changed: false })
    expect(one.live.current()).toBe(before)
    file.text = yamlOf('chat', 'more')
    expect(await one.live.reload()).toMatchObject({ kind: 'loaded', changed: true })
    await (await server.connect()).publish(server.keys.configChanges(), 'the test')
    await until(() => heard.length > 0)
    expect(heard).toEqual(['the test'])
  })

  it('stays as it is on a fault, in this process and the others, and says so', async () => {
    const [one, two] = [await startProcess(server, file), await startProcess(server, file)]
    const before = one.live.current()
    file.text = 'model_list: [{model_nme: chat}]'
    const result = await one.live.reload({ tell: true })
    expect(result).toMatchObject({ kind: 'invalid', faults: expect.arrayContaining([expect.anything()]) })
    expect(one.live.current()).toBe(before)
    expect(one.lines.some((line) => line.includes('config-reload-failed') && line.includes('test.yaml:1'))).toBe(true)
    const page = await one.metrics.render()
    expect(page).toContain('inferq_config_reloads_total{outcome="invalid"} 1')
    expect(page).toMatch(/inferq_config_last_reload_timestamp_seconds \d+/)
    file.text = yamlOf('mended')
    expect(await one.live.reload({ tell: true })).toMatchObject({ kind: 'loaded' })
    await until(() => two.models().includes('mended'))
    expect(await two.metrics.render()).not.toContain('outcome="invalid"')
  })

  it('keeps what it has when the file cannot be read', async () => {
    const load = () => {
      throw new Error('EACCES')
    }
    const { live, models } = await startProcess(server, file, { load })
    expect(await live.reload({ tell: true })).toEqual({ kind: 'unavailable', message: 'EACCES' })
    expect(models()).toEqual(['chat'])
  })

  it('goes on telling the others when a listener throws', async () => {
    const one = await startProcess(server, file)
    let told = 0
    one.live.onChange(() => {
      throw new Error('broken')
    })
    const listener = () => {
      told += 1
    }
    const forget = one.live.onChange(listener)
    one.live.onChange(listener)
    file.text = yamlOf('other')
    await one.live.reload()
    expect(told).toBe(2)
    forget()
    file.text = yamlOf('another')
    await one.live.reload()
    expect(told).toBe(3)
  })

  it('reads the file again after a lost connection, for nobody knows what was told meanwhile', async () => {
    const subscriber = await server.connect('subscriber')
    const { models } = await startProcess(server, file, { subscriber })
    file.text = yamlOf('chat', 'more')
    subscriber.disconnect(true)
    await until(() => models().includes('more'))
  })
})

describe('models added at run time', () => {
  it('are there from the start, and reach every process that is told', async () => {
    const first = await startProcess(server, file)
    await publish(first.overlay, 1, [overlayModel('added')])
    const second = await startProcess(server, file)
    expect(second.models()).toEqual(['chat', 'added'])
    expect(second.live.current().deployments.at(-1)).toMatchObject({ id: 'added', source: 'database' })
    await second.live.reload({ tell: true })
    await until(() => first.models().includes('added'))
  })

  it('arrive when the message is lost', async () => {
    const one = await startProcess(server, file, { checkEveryMs: 20 })
    await publish(one.overlay, 1, [overlayModel('added')])
    await until(() => one.models().includes('added'))
    await publish(one.overlay, 2, [])
    await until(() => !one.models().includes('added'))
  })

  it('stay while Redis has lost them, and are the same again when they are published anew', async () => {
    const one = await startProcess(server, file)
    await publish(one.overlay, 4, [overlayModel('added')])
    await one.live.reload()
    const redis = await server.connect()
    await redis.del(server.keys.modelOverlay())
    expect(await one.overlay.version()).toBeNull()
    expect(await one.live.reload()).toMatchObject({ changed: false })
    expect(one.models()).toEqual(['chat', 'added'])
    await publish(one.overlay, 4, [overlayModel('added')])
    expect(await one.overlay.version()).toBe(4)
    expect(await one.live.reload()).toMatchObject({ changed: false })
  })

  it('are left out, with the reason, when they cannot be opened or cannot serve; the others serve', async () => {
    const one = await startProcess(server, file)
    const broken = overlayModel('broken', {
      litellmParams: { model: 'openai/x', timeout: 'soon', api_key: 'sk-planted' },
    })
    await publish(one.overlay, 1, [overlayModel('good'), broken])
    const { models = [] } = (await one.overlay.read()) ?? {}
    const foreign = { ...overlayModel('foreign'), sealedParams: createSealer('other').seal('foreign', {}) }
    await one.overlay.replace(1, { version: 2, models: [...models, foreign] })
    await one.live.reload()
    expect(one.models()).toEqual(['chat', 'good'])
    const faults = one.live.current().overlayFaults
    expect(faults.map(({ key }) => key).join()).toMatch(/foreign.*broken/)
    expect(faults[0]).toMatchObject({ found: expect.stringContaining('another key') })
    const said = one.lines.join('')
    expect(said).toContain('config-models-left-out')
    expect(said).not.toContain('sk-planted')
  })

  it('lie in Redis without their secrets, and what is no overlay is not taken for one', async () => {
    const one = await startProcess(server, file)
    await publish(one.overlay, 1, [overlayModel('added')])
    const redis = await server.connect()
    expect(await redis.get(server.keys.modelOverlay())).not.toContain('planted')
    for (const text of ['', '{', '[]', '{"version":"1","models":[]}', '{"version":3,"models":[{"id":1}]}']) {
      await redis.set(server.keys.modelOverlay(), text)
      expect(await one.overlay.read()).toBeNull()
    }
  })

  it('are replaced by one of several who try at once', async () => {
    const one = await startProcess(server, file)
    const won = await Promise.all([1, 2, 3].map((version) => one.overlay.replace(null, { version, models: [] })))
    expect(won.filter(Boolean)).toHaveLength(1)
    const winner = won.indexOf(true) + 1
    expect(await one.overlay.version()).toBe(winner)
    expect(await one.overlay.replace(winner + 5, { version: 9, models: [] })).toBe(false)
  })

  it('can be tried without changing anything', async () => {
    const one = await startProcess(server, file)
    const tried = await one.live.check([overlayModel('tried')])
    expect(tried).toMatchObject({ kind: 'config', config: { deployments: [{ model: 'chat' }, { id: 'tried' }] } })
    expect(one.models()).toEqual(['chat'])
    file.text = 'nonsense: ['
    expect(await one.live.check([])).toMatchObject({ kind: 'invalid' })
  })
})
