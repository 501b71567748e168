import type { EndMessage, OutcomeMessage, StartMessage } from '@inferq/contracts'
import { errorMessage, type Log } from '@inferq/runtime'
import type { Database } from './database.ts'
import { isRowFault } from './errors.ts'
import { cleanText } from './postgres-text.ts'
import { recordEnds } from './record-ends.ts'
import { rowsInput, toTimestamp } from './rows-input.ts'
import type { CommitReport, RejectedOutcome } from './store.ts'

/**
 * Records what workers reported. Two statements, each a transaction: starts, then ends with their bills. Both are guarded
 * by the row's state, so that a message may come twice, late, or after one that should have followed it.
 * Values that Postgres refuses are found by halving, and do not keep the others from being recorded: such an end is
 * recorded without its content; what even then is refused is reported as rejected.
 */
export async function commitOutcomes(
  database: Database,
  log: Log,
  messages: readonly OutcomeMessage[],
): Promise<CommitReport> {
  const { starts, ends } = firstOfEach(messages)
  const rejected: RejectedOutcome[] = []
  const ended: EndMessage[] = []
  let deliveries = 0

  const record = async (part: readonly EndMessage[]): Promise<void> => {
    const recorded = await recordEnds(database, part)
    ended.push(...recorded.ended)
    deliveries += recorded.deliveries
  }

  await recordByHalves(
    starts,
    (part) => markStarted(database, part),
    (message, reason) => {
      rejected.push({ message, reason })
    },
  )
  await recordByHalves(ends, record, async (message, reason) => {
    log.error({ jobId: message.jobId, reason }, 'outcome-refused')
    await recordByHalves(
      [withoutContent(message)],
      async (part) => {
        const recorded = await recordEnds(database, part)
        if (recorded.ended.length > 0) ended.push(message)
        deliveries += recorded.deliveries
      },
      () => {
        rejected.push({ message, reason })
      },
    )
  })
  return { ended, rejected, deliveries }
}

/** One start and one end at most of each job; a start whose end is here too has nothing left to say. Sorted: two controllers lock rows in the same order. */
function firstOfEach(messages: readonly OutcomeMessage[]): {
  starts: readonly StartMessage[]
  ends: readonly EndMessage[]
} {
  const starts = new Map<string, StartMessage>()
  const ends = new Map<string, EndMessage>()
  for (const message of messages) {
    if (message.kind === 'end') {
      if (!ends.has(message.jobId)) ends.set(message.jobId, message)
    } else if (!starts.has(message.jobId)) starts.set(message.jobId, message)
  }
  for (const jobId of ends.keys()) starts.delete(jobId)
  return { starts: sorted(starts), ends: sorted(ends) }
}

function sorted<Message extends OutcomeMessage>(messages: ReadonlyMap<string, Message>): readonly Message[] {
  return [...messages.values()].sort((a, b) => (a.jobId < b.jobId ? -1 : 1))
}

async function recordByHalves<Message>(
  messages: readonly Message[],
  record: (messages: readonly Message[]) => Promise<void>,
  refuse: (message: Message, reason: string) => Promise<void> | void,
): Promise<void> {
  const [first] = messages
  if (first === undefined) return
  try {
    await record(messages)
  } catch (thrown) {
    if (!isRowFault(thrown)) throw thrown
    if (messages.length === 1) {
      await refuse(first, reasonOf(thrown))
      return
    }
    const half = messages.length >> 1
    await recordByHalves(messages.slice(0, half), record, refuse)
    await recordByHalves(messages.slice(half), record, refuse)
  }
}

function reasonOf(thrown: unknown): string {
  return errorMessage(thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown)
}

/** The end as such is what must not be missing; what the job had to say is given up. */
function withoutContent(message: EndMessage): EndMessage {
  const { jobId, status, type, operation, mode, tier, owner, model, servedModel, requestId, createdAt, endedAt } =
    message
  const note = 'The outcome of this job could not be recorded whole.'
  return {
    ...{ kind: 'end', jobId, status, type, operation, mode, tier, owner, model, servedModel, requestId, createdAt },
    endedAt,
    class: message.class,
    metadata: {},
    attempts: [],
    costNanoUsd: null,
    error: { code: message.error?.code ?? 'internal_error', message: note },
  }
}

async function markStarted(database: Database, starts: readonly StartMessage[]): Promise<void> {
  const input = rowsInput(
    { id: 'text', at: 'float8' },
    starts.map(({ jobId, at }) => ({ id: cleanText(jobId), at })),
  )
  await database.run({
    name: 'mark-started',
    // With the ids as a condition of its own the planner looks them up; the join alone may read every open job.
    text: `
      update jobs set status = 'in_progress', started_at = coalesce(started_at, ${toTimestamp('at')}),
        enqueued_at = coalesce(enqueued_at, now())
      from ${input.from}
      where jobs.id = input.id and jobs.id = any($1) and jobs.status = 'queued'`,
    values: input.values,
  })
}
