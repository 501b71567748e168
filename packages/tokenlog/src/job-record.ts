import type { AttemptRecord, JobRecord, JobSpec, JobStatus, LogEntry, LogKind, TerminalStatus } from '@inferq/contracts'
import { parsePosition } from '@inferq/contracts'

type Fields = Readonly<Record<string, string>>

/** Pairs of a flat reply (`field, value, …`) as an object. */
export function toFields(flat: readonly string[]): Fields {
  const fields: Record<string, string> = {}
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] as string] = flat[i + 1] as string
  return fields
}

/** The live record from its hash; null when there is none, or when its specification was dropped at the end of the job. */
export function parseJobRecord(fields: Fields): JobRecord | null {
  const spec = fields['spec']
  if (spec === undefined) return null
  return {
    spec: JSON.parse(spec) as JobSpec,
    status: fields['status'] as JobStatus,
    hop: Number(fields['hop']),
    attempt: Number(fields['attempt']),
    tries: Number(fields['tries']),
    cancelRequested: fields['cancel'] !== undefined,
    attempts: parseAttempts(fields),
  }
}

/** Attempts are fields `a:<attempt>`; one that was overtaken without an end of its own belonged to a lost worker. */
function parseAttempts(fields: Fields): readonly AttemptRecord[] {
  const latest = Number(fields['attempt'])
  const attempts: AttemptRecord[] = []
  for (const [name, field] of Object.entries(fields)) {
    if (!name.startsWith('a:')) continue
    const attempt = Number(name.slice(2))
    const record = { ...(JSON.parse(field) as Omit<AttemptRecord, 'attempt'>), attempt }
    attempts.push(attempt < latest ? withLoss(record) : record)
  }
  return attempts.sort((a, b) => a.attempt - b.attempt)
}

/** The attempt as it is known once a later one has begun. */
export function withLoss(record: AttemptRecord): AttemptRecord {
  return record.outcome === undefined ? { ...record, outcome: 'lost' } : record
}

/** An attempt that had not ended when the job was ended from outside: stopped by that, or lost before. */
export function withOutsideEnd(record: AttemptRecord, status: TerminalStatus): AttemptRecord {
  if (record.outcome !== undefined) return record
  return { ...record, outcome: status === 'cancelled' || status === 'expired' ? status : 'lost' }
}

/** A stream entry of the log; its one field is the kind. */
export function parseEntry(entry: readonly [id: string, fields: readonly string[]]): LogEntry {
  const position = parsePosition(entry[0])
  if (position === null) throw new Error(`not a position of a token log: ${entry[0]}`)
  return { ...position, kind: entry[1][0] as LogKind, payload: entry[1][1] ?? '' }
}
