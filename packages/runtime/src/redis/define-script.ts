import type { Redis } from 'ioredis'

export interface ScriptDefinition {
  /** A word, unique on the connection. */
  readonly name: string
  readonly lua: string
  readonly numberOfKeys: number
}

export type ScriptArgument = string | number | Buffer

/** Runs the script: first its keys, then its arguments. The reply is as ioredis gives it: check it where it is used. */
export type RedisScript = (...keysAndArguments: readonly ScriptArgument[]) => Promise<unknown>

/**
 * Makes a function of a Lua script on this connection. The script's text travels once per connection, then only its
 * SHA-1. Calls run in the order they were made, over reconnects too: the first call on each new socket carries the
 * text again (EVAL), so none of the following finds it missing.
 * For a server whose scripts were flushed under a living connection, a call that finds it missing is sent again, then
 * possibly after later ones.
 */
export function defineScript(redis: Redis, definition: ScriptDefinition): RedisScript {
  const { name, lua, numberOfKeys } = definition
  redis.defineCommand(name, { lua, numberOfKeys })
  const command: unknown = Reflect.get(redis, name)
  if (typeof command !== 'function') throw new Error(`script ${name} was not defined`)
  return command.bind(redis)
}
