import { setTimeout as sleep } from 'node:timers/promises'
import type { Member, MemberKind, System } from '../system/system.ts'

const startWithinMs = 120_000
const startAgainAfterMs = 500

export function membersOf(system: System): readonly Member[] {
  return [...system.ingresses, ...system.workers, ...system.controllers]
}

export function membersOfKind(system: System, kind: MemberKind): readonly Member[] {
  return membersOf(system).filter((member) => member.kind === kind)
}

/**
 * Starts it as a supervisor would: again and again, since what it needs may be away just now. Throws what the last start
 * said when two minutes were not enough.
 */
export async function startSurely(member: Member): Promise<void> {
  const deadline = performance.now() + startWithinMs
  for (;;) {
    try {
      await member.start()
      return
    } catch (error) {
      if (performance.now() > deadline) throw new Error(`${member.name} does not start`, { cause: error })
      await sleep(startAgainAfterMs)
    }
  }
}
