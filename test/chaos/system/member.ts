import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Child, createSilentLog, createSystemClock, spawnNodeChild } from '@inferq/runtime'
import type { Member } from './system.ts'

const clock = createSystemClock()
const log = createSilentLog()
const keptLines = 2_000
const readyTimeoutMs = 60_000
/** More than any service takes for itself: one that needs it hangs. */
const stopGraceMs = 60_000

export interface MemberOptions extends Pick<Member, 'name' | 'kind' | 'redis' | 'postgres'> {
  /** The command's main module. */
  readonly main: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

/** A service as its own process, not started yet. */
export function createMember(options: MemberOptions): Member {
  const { name, kind, redis, postgres, main, args, env } = options
  const lines: string[] = []
  let child: Child | undefined
  let starting: Promise<void> | undefined

  const isUp = (): boolean => child?.isRunning() === true
  const launch = async (): Promise<void> => {
    child = await spawnNodeChild({
      name,
      main,
      args: [kind, ...args],
      execArgv: nodeFlags(main),
      env,
      log,
      clock,
      readyTimeoutMs,
      orphanGraceSeconds: 2,
      onLine: (line) => {
        if (lines.push(line) > keptLines) lines.shift()
      },
    })
  }
  const end = async (running: Child, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    running.kill(signal)
    const gone = new AbortController()
    const late = sleep(stopGraceMs, undefined, { signal: gone.signal }).then(
      () => running.kill('SIGKILL'),
      () => {},
    )
    await running.exited
    gone.abort()
    await late
  }
  return {
    name,
    kind,
    redis,
    postgres,
    lines,
    get pid() {
      return child?.pid ?? 0
    },
    get isUp() {
      return isUp()
    },
    async signal(signal) {
      await starting?.catch(() => {})
      if (child === undefined || !isUp()) return
      if (signal === 'SIGTERM' || signal === 'SIGKILL') await end(child, signal)
      else child.kill(signal)
    },
    async start() {
      if (starting !== undefined) return starting
      if (isUp()) return
      starting = launch().finally(() => {
        starting = undefined
      })
      return starting
    },
  }
}

/** The flags of Node that the command asks for in its first line (`#!/usr/bin/env -S node --flag`), as when it is run itself. */
function nodeFlags(main: string): readonly string[] {
  const [firstLine = ''] = readFileSync(main, 'utf8').split('\n', 1)
  return /^#!.*\bnode\s+(.*)$/.exec(firstLine)?.[1]?.split(/\s+/) ?? []
}
