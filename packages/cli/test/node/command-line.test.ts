import { describe, expect, it } from 'vitest'
import { fillPlaces, parseCommandLine } from '../../src/node/command-line.ts'
import { planBackend } from '../../src/node/compose-bound-worker.ts'

describe('the command of a backend', () => {
  it('is read as a shell would read it, without one', () => {
    const text = `OLLAMA_HOST=127.0.0.1:8100 A="b c" ollama serve --x 'y "z' a\\ b "" $HOME;`
    expect(parseCommandLine(text)).toEqual({
      variables: { OLLAMA_HOST: '127.0.0.1:8100', A: 'b c' },
      program: 'ollama',
      args: ['serve', '--x', 'y "z', 'a b', '', '$HOME;'],
    })
  })

  it.each(['', '  ', 'A=1', `vllm serve "x`])('refuses %j', (text) => {
    expect(() => parseCommandLine(text)).toThrow(/is no command/)
  })

  it('gets the GPU and the port where it has places for them, and keeps other braces', () => {
    expect(fillPlaces(`--port {port} --gpu {gpu} --json {"a":{b}}`, { port: '1', gpu: '0' })).toBe(
      `--port 1 --gpu 0 --json {"a":{b}}`,
    )
  })

  it('says where it listens: at a free port, the one that was named, or that of --backend', async () => {
    const vllm = 'vllm serve m --port {port}'
    expect(await planBackend({ backendCommand: vllm, backendPort: 8123 }, undefined)).toMatchObject({
      url: 'http://127.0.0.1:8123',
      command: { args: ['serve', 'm', '--port', '8123'] },
    })
    expect(await planBackend({ backendCommand: vllm, backend: 'http://10.0.0.1:8124' }, undefined)).toMatchObject({
      url: 'http://10.0.0.1:8124',
      command: { args: ['serve', 'm', '--port', '8124'] },
    })
    const free = await planBackend({ backendCommand: vllm }, undefined)
    expect(free?.command?.args.at(-1)).toBe(new URL(free?.url ?? '').port)
    await expect(planBackend({ backendCommand: 'ollama serve' }, undefined)).rejects.toThrow('is not known')
    await expect(planBackend({ backend: '127.0.0.1:8000' }, undefined)).rejects.toThrow('is no http:// or https:// URL')
  })
})
