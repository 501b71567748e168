import type { ScriptReply } from './circuit-record.ts'
import { emptyTally, isUrgent, mergeTallies, type Tally } from './tally.ts'

export interface OutboxOptions {
  tell(id: string, tally: Tally): Promise<ScriptReply>
  /** Redis has taken it. `isSettled`: there is nothing more to tell that could change the circuit. */
  onTold(id: string, reply: ScriptReply, isSettled: boolean): void
  /** It did not; the tally is kept. */
  onRefused(id: string, cause: unknown): void
}

/**
 * What is to be told of each deployment. One message of each is under way at a time; what comes meanwhile is added up, as
 * is what Redis did not take. Bounded by the number of deployments.
 */
export interface Outbox {
  /** Adds to what is to be told; at once when it is urgent, else with the next `flush`. */
  add(id: string, tally: Tally): void
  /** Consecutive failures not yet acknowledged, and whether a success before them clears those known to Redis. */
  untold(id: string): { readonly streak: number; readonly cleared: boolean }
  isSettled(id: string): boolean
  /** Resolves when everything has been told or refused. */
  flush(): Promise<void>
}

interface Entry {
  sending: Tally | undefined
  waiting: Tally
  /** Of the message under way. */
  done: Promise<void>
}

export function createOutbox({ tell, onTold, onRefused }: OutboxOptions): Outbox {
  const entries = new Map<string, Entry>()

  const send = async (id: string, entry: Entry): Promise<void> => {
    do {
      const sending = entry.waiting
      entry.sending = sending
      entry.waiting = emptyTally
      try {
        const reply = await tell(id, sending)
        entry.sending = undefined
        onTold(id, reply, !isUrgent(entry.waiting))
      } catch (cause) {
        entry.sending = undefined
        entry.waiting = mergeTallies(sending, entry.waiting)
        onRefused(id, cause)
        return
      }
    } while (isUrgent(entry.waiting))
    if (entry.waiting.calls === 0) entries.delete(id)
  }

  const sendUnlessUnderWay = (id: string, entry: Entry): Promise<void> => {
    if (entry.sending === undefined) entry.done = send(id, entry)
    return entry.done
  }

  return {
    add(id, tally) {
      let entry = entries.get(id)
      if (entry === undefined) {
        entry = { sending: undefined, waiting: emptyTally, done: Promise.resolve() }
        entries.set(id, entry)
      }
      entry.waiting = mergeTallies(entry.waiting, tally)
      // `send` rejects never: `flush` and the service's stop await what is under way.
      if (isUrgent(tally)) void sendUnlessUnderWay(id, entry)
    },
    untold(id) {
      const entry = entries.get(id)
      return entry === undefined ? emptyTally : mergeTallies(entry.sending ?? emptyTally, entry.waiting)
    },
    isSettled(id) {
      const entry = entries.get(id)
      return entry === undefined || (entry.sending === undefined && !isUrgent(entry.waiting))
    },
    async flush() {
      await Promise.all(Array.from(entries, ([id, entry]) => sendUnlessUnderWay(id, entry)))
    },
  }
}
