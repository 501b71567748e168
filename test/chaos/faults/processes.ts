import { pick } from '../run/random.ts'
import type { Member, MemberKind } from '../system/system.ts'
import type { Fault } from './fault.ts'
import { membersOf, membersOfKind, startSurely } from './members.ts'

const kinds: readonly MemberKind[] = ['ingress', 'worker', 'controller']

/** A worker that stands still for longer than its lock (6 s) and the look for lost workers (2 s): its jobs run elsewhere. */
const zombieMs = [9_000, 14_000] as const

export const processFaults: readonly Fault[] = [
  ...kinds.flatMap((kind) => [killed(kind), frozen(kind), terminated(kind)]),
  {
    name: 'rolling-restart',
    room: 'process',
    description: 'every process is stopped in order and started again, one after the other',
    // What it takes; the next fault of its kind waits for it anyhow.
    lastsMs: [30_000, 30_000],
    async inject(system) {
      const rolling = restartEach(membersOf(system))
      // Told by `heal`.
      rolling.catch(() => {})
      return { target: 'everything', heal: () => rolling }
    },
  },
]

function killed(kind: MemberKind): Fault {
  return {
    name: `${kind}-killed`,
    room: 'process',
    description: `one ${kind} is killed (SIGKILL), and started again later`,
    lastsMs: [500, 10_000],
    async inject(system, random) {
      const member = pick(random, membersOfKind(system, kind))
      await member.signal('SIGKILL')
      const measures = kind === 'worker' ? { measures: 'worker-killed' as const } : {}
      return { target: member.name, ...measures, heal: () => startSurely(member) }
    },
  }
}

function frozen(kind: MemberKind): Fault {
  return {
    name: `${kind}-frozen`,
    room: 'process',
    description: `one ${kind} stands still (SIGSTOP), and then goes on as if nothing had been (SIGCONT)`,
    lastsMs: kind === 'worker' ? zombieMs : [2_000, 12_000],
    async inject(system, random) {
      const member = pick(random, membersOfKind(system, kind))
      await member.signal('SIGSTOP')
      return { target: member.name, heal: () => member.signal('SIGCONT') }
    },
  }
}

function terminated(kind: MemberKind): Fault {
  return {
    name: `${kind}-terminated`,
    room: 'process',
    description: `one ${kind} is told to stop (SIGTERM), and started again`,
    lastsMs: [300, 3_000],
    async inject(system, random) {
      const member = pick(random, membersOfKind(system, kind))
      await member.signal('SIGTERM')
      return { target: member.name, heal: () => startSurely(member) }
    },
  }
}

async function restartEach(members: readonly Member[]): Promise<void> {
  for (const member of members) {
    await member.signal('SIGTERM')
    await startSurely(member)
  }
}
