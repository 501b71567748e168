import { readFileSync } from 'node:fs'
import type { BreakerConfig } from '@inferq/config'
import type { RedisKeys } from '@inferq/contracts'
import { type Clock, defineScript, type Redis } from '@inferq/runtime'
import { type CircuitsSnapshot, parseReply, parseSnapshot, type ScriptReply } from './circuit-record.ts'
import { probePace } from './probe-pace.ts'
import type { Tally } from './tally.ts'

/** The scripts of one connection, typed. Every call rejects when Redis does not answer. */
export interface CircuitScripts {
  /** `opened`, `closed`, or empty. */
  tell(id: string, tally: Tally, rule: BreakerConfig): Promise<ScriptReply>
  /** `probe`, `renewed`, `taken`, `open`, `closed`. */
  claim(id: string, token: string, lifetimeMs: number, isAlone: boolean): Promise<ScriptReply>
  /** `closed`, or empty when it was. */
  reset(id: string): Promise<ScriptReply>
  read(): Promise<CircuitsSnapshot>
}

/** A circuit that nobody called for this long after its cooldown is forgotten. */
const keptMs = 3_600_000

export function loadCircuitScripts(redis: Redis, keys: RedisKeys, clock: Pick<Clock, 'now'>): CircuitScripts {
  const shared = readSource('circuit.inc.lua')
  const load = (name: 'tell' | 'claim' | 'reset' | 'read', numberOfKeys: number) =>
    defineScript(redis, { name: `inferqHealth${name}`, lua: `${shared}\n${readSource(`${name}.lua`)}`, numberOfKeys })
  const tell = load('tell', 2)
  const claim = load('claim', 1)
  const reset = load('reset', 2)
  const read = load('read', 1)
  const circuits = keys.circuits()
  const channel = keys.circuitChanges()
  return {
    async tell(id, tally, rule) {
      const waitMs = tally.wait === undefined ? 0 : Math.max(0, Math.ceil(tally.wait.until - clock.now()))
      const reply = await tell(
        ...[circuits, keys.failures(id), id, channel],
        ...[Math.max(1, rule.allowedFails), Math.round(rule.cooldownSeconds * 1_000), rule.failureRate],
        ...[rule.minCalls, Math.round(rule.windowSeconds * 1_000)],
        ...[tally.calls, tally.failures, tally.cleared ? 1 : 0, tally.streak, tally.reason ?? ''],
        ...[waitMs, tally.wait?.reason ?? '', tally.probe?.token ?? '', tally.probe?.outcome ?? ''],
        ...[probePace.firstMs, probePace.longestMs],
      )
      return parseReply(id, reply)
    },
    claim: async (id, token, lifetimeMs, isAlone) =>
      parseReply(id, await claim(circuits, id, channel, token, lifetimeMs, isAlone ? 1 : 0)),
    reset: async (id) => parseReply(id, await reset(circuits, keys.failures(id), id, channel)),
    read: async () => parseSnapshot(await read(circuits, keptMs)),
  }
}

function readSource(file: string): string {
  return readFileSync(new URL(`./scripts/${file}`, import.meta.url), 'utf8')
}
