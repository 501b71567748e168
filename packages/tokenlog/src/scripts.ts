import { readFileSync } from 'node:fs'
import { InferqError } from '@inferq/contracts'
import type { Redis } from 'ioredis'

type Argument = string | number

/** One Lua script: its keys, then its arguments, as its header says. */
export type Script = (keys: readonly string[], args: readonly Argument[]) => Promise<unknown>

const scripts = {
  open: { keys: 2, publishes: false },
  start: { keys: 6, publishes: false },
  begin: { keys: 3, publishes: true },
  append: { keys: 2, publishes: true },
  release: { keys: 2, publishes: true },
  finish: { keys: 3, publishes: true },
  cancel: { keys: 1, publishes: false },
  attach: { keys: 2, publishes: false },
  deserted: { keys: 'any', publishes: false },
} as const

export type Scripts = Readonly<Record<keyof typeof scripts, Script>>

/** Loads the token log's scripts on a connection. A call rejects with `service_unavailable` when Redis does not answer. */
export function loadScripts(redis: Redis): Scripts {
  const load = (name: string, { keys, publishes }: { keys: number | 'any'; publishes: boolean }): Script => {
    const source = readSource(`${name}.lua`)
    const command = `inferqLog${name}`
    redis.defineCommand(command, {
      ...(keys === 'any' ? {} : { numberOfKeys: keys }),
      lua: publishes ? `${readSource('publish.inc.lua')}\n${source}` : source,
    })
    const call = (redis as unknown as Record<string, (...values: Argument[]) => Promise<unknown>>)[command]
    if (call === undefined) throw new Error(`script ${name} was not defined`)
    return (scriptKeys, args) => {
      const count = keys === 'any' ? [scriptKeys.length] : []
      return call.call(redis, ...count, ...scriptKeys, ...args).catch(toUnavailable)
    }
  }
  return {
    open: load('open', scripts.open),
    start: load('start', scripts.start),
    begin: load('begin', scripts.begin),
    append: load('append', scripts.append),
    release: load('release', scripts.release),
    finish: load('finish', scripts.finish),
    cancel: load('cancel', scripts.cancel),
    attach: load('attach', scripts.attach),
    deserted: load('deserted', scripts.deserted),
  }
}

/** Every failure of Redis is the same to a caller: it is not available now. The cause tells the log. */
export function toUnavailable(cause: unknown): never {
  throw new InferqError(
    { code: 'service_unavailable', message: 'The queue is not available.', retryAfterSeconds: 1 },
    { cause },
  )
}

function readSource(file: string): string {
  return readFileSync(new URL(`./scripts/${file}`, import.meta.url), 'utf8')
}
