import { membersOf, startSurely } from '../faults/members.ts'
import type { Member, System } from '../system/system.ts'

/** A process that ended without anybody having told it to. */
export interface Death {
  readonly member: string
  readonly at: number
  /** What it logged last. */
  readonly lastLines: readonly string[]
}

export interface WatchedSystem {
  /** The same system; whoever signals its members through it does so on purpose. */
  readonly system: System
  readonly deaths: readonly Death[]
  /** Looks once more, and waits until those that died are up again. */
  stop(): Promise<void>
}

const lookEveryMs = 200
const toldLines = 5

/** Sees processes that die by themselves, and starts them again. */
export function watchMembers(system: System): WatchedSystem {
  const downOnPurpose = new Set<string>()
  const deaths: Death[] = []
  const restarts = new Set<Promise<void>>()
  const watched = {
    ...system,
    ingresses: system.ingresses.map((member) => told(member, downOnPurpose)),
    workers: system.workers.map((member) => told(member, downOnPurpose)),
    controllers: system.controllers.map((member) => told(member, downOnPurpose)),
  }

  const look = (): void => {
    for (const member of membersOf(system)) {
      if (member.isUp || downOnPurpose.has(member.name)) continue
      deaths.push({ member: member.name, at: Date.now(), lastLines: member.lines.slice(-toldLines) })
      downOnPurpose.add(member.name)
      // That it does not come back is seen at the end, where everything has to be up.
      const restart = startSurely(member)
        .then(() => void downOnPurpose.delete(member.name))
        .catch(() => {})
      restarts.add(restart)
    }
  }
  const timer = setInterval(look, lookEveryMs)
  return {
    system: watched,
    deaths,
    async stop() {
      clearInterval(timer)
      look()
      await Promise.all(restarts)
    },
  }
}

/** The member, noting when it is down because it was told to be. */
function told<M extends Member>(member: M, downOnPurpose: Set<string>): M {
  const signal: Member['signal'] = (name) => {
    if (name === 'SIGKILL' || name === 'SIGTERM') downOnPurpose.add(member.name)
    return member.signal(name)
  }
  const start: Member['start'] = async () => {
    await member.start()
    downOnPurpose.delete(member.name)
  }
  return new Proxy(member, {
    get(target, key) {
      if (key === 'signal') return signal
      if (key === 'start') return start
      return Reflect.get(target, key, target)
    },
  })
}
