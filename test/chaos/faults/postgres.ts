import type { TcpProxy } from '@inferq/testkit/tcp-proxy'
import { between, pick } from '../run/random.ts'
import type { System } from '../system/system.ts'
import type { Fault } from './fault.ts'
import { membersOf } from './members.ts'
import { repeatedly } from './repeatedly.ts'

type InRoom = Omit<Fault, 'room'>

const cutEveryMs = 700

const postgresFaultsInRoom: readonly InRoom[] = [
  {
    name: 'postgres-down',
    description: 'Postgres is killed, and starts again later',
    lastsMs: [1_000, 12_000],
    inject: ({ postgres }) => stopped(postgres, 'SIGKILL'),
  },
  {
    name: 'postgres-restart',
    description: 'Postgres is stopped in order, and starts again',
    lastsMs: [500, 3_000],
    inject: ({ postgres }) => stopped(postgres, 'SIGINT'),
  },
  {
    name: 'postgres-pause',
    description: 'Postgres answers nothing for some seconds; connections stay',
    lastsMs: [1_000, 8_000],
    async inject({ postgres }) {
      postgres.pause()
      return { target: 'postgres', heal: async () => postgres.resume() }
    },
  },
  {
    name: 'postgres-slow',
    description: 'everything to and from Postgres takes 50 to 300 ms',
    lastsMs: [3_000, 10_000],
    async inject(system, random) {
      const delayMs = between(random, [50, 300])
      for (const { way } of waysOf(system)) way.delay(delayMs)
      return { target: `everybody, ${delayMs} ms`, heal: async () => passAll(system) }
    },
  },
  {
    name: 'postgres-failover',
    description: 'connections end, then there is only a server that cannot be written to, then one that can',
    lastsMs: [0, 0],
    isPossible: ({ postgres }) => postgres.kind === 'postgresql',
    async inject({ postgres }) {
      await postgres.failOver()
      return { target: 'postgres', heal: async () => {} }
    },
  },
  {
    name: 'postgres-blackhole-one',
    description: 'nothing gets through between one process and Postgres; connections stay (half-open TCP)',
    lastsMs: [2_000, 10_000],
    async inject(system, random) {
      const { name, way } = pick(random, waysOf(system))
      way.blackhole()
      return { target: name, heal: async () => way.pass() }
    },
  },
  {
    name: 'postgres-reset',
    description: 'connections to Postgres are reset, again and again',
    lastsMs: [500, 4_000],
    async inject(system) {
      const cut = (): void => {
        for (const { way } of waysOf(system)) way.reset()
      }
      return { target: 'everybody', heal: await repeatedly(cutEveryMs, cut) }
    },
  },
]

export const postgresFaults: readonly Fault[] = postgresFaultsInRoom.map((fault) => ({ ...fault, room: 'postgres' }))

async function stopped(postgres: System['postgres'], signal: 'SIGINT' | 'SIGKILL'): ReturnType<Fault['inject']> {
  await postgres.stop(signal)
  return { target: 'postgres', heal: () => postgres.start() }
}

/** Of those that have one. */
function waysOf(system: System): readonly { readonly name: string; readonly way: TcpProxy }[] {
  return membersOf(system).flatMap(({ name, postgres }) => (postgres === null ? [] : [{ name, way: postgres }]))
}

function passAll(system: System): void {
  for (const { way } of waysOf(system)) way.pass()
}
