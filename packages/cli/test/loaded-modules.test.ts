import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'

const commands = new URL('../src/commands/', import.meta.url)

/** What of Node itself, and of packages, a command loads before it has done anything. */
function loadedBy(command: string): readonly string[] {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context) } })
    await import(${JSON.stringify(new URL(command, commands).href)})
    console.log(JSON.stringify([...loaded, ...process.moduleLoadList]))`
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script]
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  expect(stderr).toBe('')
  return JSON.parse(stdout) as string[]
}

describe('a start loads nothing that it does not need', () => {
  it.each(['ingress.ts', 'worker.ts', 'controller.ts', 'up.ts'])('%s: no fetch of Node, no simulator', (command) => {
    const loaded = loadedBy(command)
    expect(loaded.some((name) => name.includes('/packages/cli/src/'))).toBe(true)
    expect(loaded.filter((name) => /internal\/deps\/undici|packages\/simulator/.test(name))).toEqual([])
  })
})
