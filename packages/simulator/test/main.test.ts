import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { call, chat } from './support.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))

async function launch(...flags: string[]): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [main, '--port', '0', ...flags], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const ready = JSON.parse(line.toString()) as { url: string; pid: number; simulated: boolean }
  expect(ready).toMatchObject({ pid: child.pid, simulated: true })
  return { child, url: ready.url }
}

describe('the process', () => {
  it('says where it listens, serves the demo models and ends on SIGTERM', async () => {
    const { child, url } = await launch()
    const { text } = await call(
      url,
      '/v1/chat/completions',
      chat('hi', { model: 'simulated', sim: { interTokenMs: 0 } }),
    )
    expect(text).toContain('"content":"[simulated answer, no model is configured] ')
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('takes its options from a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'simulator-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const config = join(folder, 'config.json')
    await writeFile(config, JSON.stringify({ models: { only: { text: 'from the file' } }, strictModels: true }))
    const { url } = await launch('--config', config)
    expect((await call(url, '/v1/chat/completions', chat('hi', { model: 'only' }))).text).toContain('from the file')
    expect((await call(url, '/v1/chat/completions', chat('hi'))).status).toBe(404)
  })

  it('ends with its parent when asked to', async () => {
    const { child } = await launch('--exit-with-parent')
    child.stdin?.end()
    expect(await once(child, 'exit')).toEqual([0, null])
  })
})
