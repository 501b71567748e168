import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createSilentLog, spawnChild } from '@inferq/runtime'
import { startTcpProxy } from '@inferq/testkit/tcp-proxy'
import { until } from '@inferq/testkit/until'
import type { LedgerCall, UpstreamUnderFire } from './system.ts'

const log = createSilentLog()
const startWithinMs = 30_000
const controlTimeoutMs = 10_000

interface LedgerPage {
  readonly calls: readonly (LedgerCall & { readonly number: number })[]
  readonly last: number
}

/** The simulator as a process of its own, behind a proxy; it is told what to do past it. */
export async function startUpstream(options: {
  readonly folder: string
  readonly port: number
  readonly proxyPort: number
  readonly env: NodeJS.ProcessEnv
}): Promise<UpstreamUnderFire & { stop(): Promise<void> }> {
  const { folder, port, proxyPort, env } = options
  const config = join(folder, 'simulator.json')
  // Answers come as fast as the request says.
  const models = { chat: {}, spare: {}, embed: {}, cloud: {} }
  await writeFile(config, JSON.stringify({ models, strictModels: true, keptRequests: 1, ledger: true }))
  const main = fileURLToPath(import.meta.resolve('@inferq/simulator')).replace(/index\.ts$/, 'main.ts')
  const child = await spawnChild({
    name: 'simulator',
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', main, '--port', String(port), '--config', config],
    env,
    log,
    orphanGraceSeconds: 2,
  })
  const control = `http://127.0.0.1:${port}/__sim`
  const isUp = async (): Promise<boolean> => {
    if (!child.isRunning()) throw new Error(`the simulator does not start: ${child.recentLines().join(' | ')}`)
    return ask(`${control}/stats`).then(
      () => true,
      () => false,
    )
  }
  await until(isUp, { timeoutMs: startWithinMs, everyMs: 20, what: 'the simulator answers' })
  const proxy = await startTcpProxy({ port }, { port: proxyPort })

  return {
    proxy,
    async script(model, patch) {
      const url = `${control}/models/${encodeURIComponent(model)}`
      if (patch === null) await ask(url, { method: 'DELETE' })
      else await ask(url, { method: 'POST', body: JSON.stringify(patch) })
    },
    async ledger() {
      const calls: LedgerCall[] = []
      for (let after = 0; ; ) {
        const page = (await ask(`${control}/ledger?after=${after}`)) as LedgerPage
        calls.push(...page.calls)
        const newest = page.calls.at(-1)
        if (newest === undefined || newest.number === page.last) return calls
        after = newest.number
      }
    },
    async inFlight() {
      const { total } = (await ask(`${control}/stats`)) as { readonly total: Readonly<Record<string, number>> }
      const { calls = 0, completed = 0, aborted = 0, failed = 0, rejected = 0 } = total
      return calls - completed - aborted - failed - rejected
    },
    async stop() {
      child.kill('SIGKILL')
      await child.exited
      await proxy.stop()
    },
  }
}

async function ask(url: string, init: RequestInit = {}): Promise<unknown> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(controlTimeoutMs) })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  return JSON.parse(text)
}
