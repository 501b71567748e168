import { readFileSync } from 'node:fs'
import type { RedisKeys } from '@inferq/contracts'
import { type Clock, createPeriodicService, defineScript, type Log, type Redis } from '@inferq/runtime'
import { type ClassClock, createClassClock } from './class-clock.ts'
import { baseFor, placeOf } from './places.ts'
import type { Shares } from './shares.ts'

export interface SharesOptions {
  /** Commands. */
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly clock: Clock
  readonly log: Log
  /** Between two reports; how far processes may be apart. Default 100 ms. */
  readonly everyMs?: number
}

/** Classes that nobody here uses are asked about this often, and after this long not at all. */
const lookEveryMs = 1_000
const forgottenAfterMs = 60_000
const forgetFlowsEveryMs = 10_000
/** What was heard longer ago may be wrong by whole floods. */
const knownForMs = 2_000
/** For the news of a class. A Redis that says nothing for so long will not take the job either. */
const waitsAtMostMs = 250

interface ClassState {
  readonly clock: ClassClock
  base: number
  meanSeconds: number | null
  /** Of the flows, as it was told last. */
  version: number
  ended: { readonly jobs: number; readonly seconds: number }
  usedAt: number
  askedAt: number
  /** When what is known was asked for. */
  toldAt: number
  forgotAt: number
  telling: Promise<void> | undefined
}

/** See Shares. While Redis is away every process goes by what it knows itself. */
export function createShares({ redis, keys, clock, log, everyMs = 100 }: SharesOptions): Shares {
  const sync = defineScript(redis, { name: 'inferqSharesSync', lua: readSource('sync.lua'), numberOfKeys: 2 })
  const move = defineScript(redis, { name: 'inferqSharesRebase', lua: readSource('rebase.lua'), numberOfKeys: 1 })
  const classes = new Map<string, ClassState>()

  const stateOf = (modelClass: string): ClassState => {
    let state = classes.get(modelClass)
    if (state === undefined) {
      const never = Number.NEGATIVE_INFINITY
      const times = { usedAt: never, askedAt: never, toldAt: never, forgotAt: never }
      const known = { base: 0, meanSeconds: null, version: 0 }
      state = { clock: createClassClock(), ...known, ended: nothing, ...times, telling: undefined }
      classes.set(modelClass, state)
    }
    state.usedAt = clock.monotonic()
    return state
  }

  const tell = async (modelClass: string, state: ClassState): Promise<void> => {
    const now = clock.monotonic()
    const report = state.clock.take()
    const { ended } = state
    if (report === null && ended.jobs === 0 && now - state.askedAt < lookEveryMs) return
    state.ended = nothing
    state.askedAt = now
    const forgets = now - state.forgotAt >= forgetFlowsEveryMs
    const flows = [...(report?.flows ?? [])]
    try {
      const reply = await sync(
        ...[keys.shares(modelClass), keys.sharesChanged(modelClass)],
        ...[report?.clock ?? 0, forgets ? 1 : 0, ended.jobs, ended.seconds, state.version],
        ...flows.flatMap(([name, { floor, charge }]) => [name, floor ?? '', charge]),
      )
      const [shared, base, meanSeconds, version, ...rest] = reply as readonly string[]
      const ends = new Map(flows.map(([name], place) => [name, Number(rest[place])]))
      for (let place = flows.length; place + 1 < rest.length; place += 2) {
        ends.set(rest[place] ?? '', Number(rest[place + 1]))
      }
      state.clock.sent({ clock: Number(shared), ends })
      state.base = Number(base)
      state.meanSeconds = Number(meanSeconds) > 0 ? Number(meanSeconds) : null
      state.version = Number(version)
      state.toldAt = now
    } catch (cause) {
      state.clock.kept()
      state.ended = { jobs: state.ended.jobs + ended.jobs, seconds: state.ended.seconds + ended.seconds }
      throw cause
    }
    if (!forgets) return
    state.forgotAt = now
    state.clock.forget()
  }

  /** One report at a time. */
  const tellOnce = (modelClass: string, state: ClassState): Promise<void> => {
    state.telling ??= tell(modelClass, state).finally(() => {
      state.telling = undefined
    })
    return state.telling
  }

  const service = createPeriodicService({
    name: 'shares',
    intervalMs: everyMs,
    clock,
    log,
    async run() {
      const unused = clock.monotonic() - forgottenAfterMs
      for (const [name, state] of classes) if (state.usedAt < unused) classes.delete(name)
      await Promise.all([...classes].map(([name, state]) => tellOnce(name, state)))
    },
  })

  return {
    ...service,
    ready(modelClass) {
      const state = stateOf(modelClass)
      if (clock.monotonic() - state.toldAt < knownForMs) return undefined
      return new Promise((resolve) => {
        const cancel = clock.after(waitsAtMostMs, resolve)
        const go = (): void => {
          cancel()
          resolve()
        }
        tellOnce(modelClass, state).then(go, go)
      })
    },
    place(modelClass, demand) {
      const { clock: classClock, base } = stateOf(modelClass)
      const at = classClock.place(demand)
      return { at, place: placeOf(at, base) }
    },
    placeOf: (modelClass, at) => placeOf(at, stateOf(modelClass).base),
    started: (modelClass, tier, at) => stateOf(modelClass).clock.started(tier, at),
    ended(modelClass, demand, { tokens, seconds }) {
      const state = stateOf(modelClass)
      state.clock.correct(demand, tokens)
      state.ended = { jobs: state.ended.jobs + 1, seconds: state.ended.seconds + seconds }
    },
    left: (modelClass, demand) => stateOf(modelClass).clock.correct(demand, 0),
    meanSeconds: (modelClass) => stateOf(modelClass).meanSeconds,
    async rebase(modelClass) {
      const [known, base = 0] = (await redis.hmget(keys.shares(modelClass), 'clock', 'base')).map(Number)
      const wanted = baseFor(known ?? 0, base)
      if (wanted !== base) stateOf(modelClass).base = Number(await move(keys.shares(modelClass), base, wanted))
      else stateOf(modelClass).base = base
      return stateOf(modelClass).base
    },
  }
}

const nothing = { jobs: 0, seconds: 0 }

function readSource(file: string): string {
  return readFileSync(new URL(`./scripts/${file}`, import.meta.url), 'utf8')
}
