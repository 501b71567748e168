/** A circuit as Redis keeps it: see scripts/circuit.inc.lua. Times are Redis's. Absent: closed, no failure known. */
export interface CircuitRecord {
  /** Consecutive ones. */
  readonly failures: number
  /** Present while it is not closed: open before it, half open after it (ms). */
  readonly retryAt?: number
  /** With it: from then on a call that has nowhere else to go may probe (ms). */
  readonly probeAt?: number
  /** Since it was closed. */
  readonly failedProbes?: number
  /** An error code. */
  readonly reason?: string
  /** When the claim of the call that probes lapses (ms). */
  readonly probeUntil?: number
}

/** What is known of one deployment as of a version; versions rise with every change of any circuit. */
export interface CircuitNews {
  readonly id: string
  readonly version: number
  readonly circuit: CircuitRecord | undefined
}

export interface CircuitsSnapshot {
  readonly version: number
  /** Redis's time (ms). */
  readonly nowMs: number
  readonly circuits: readonly CircuitNews[]
}

/** The reply to a script that concerns one deployment. */
export interface ScriptReply extends CircuitNews {
  readonly verdict: string
  readonly nowMs: number
}

/** Reads `version \n JSON \n id`; undefined when it is none. */
export function parseMessage(message: string): CircuitNews | undefined {
  const first = message.indexOf('\n')
  const second = message.indexOf('\n', first + 1)
  const version = Number(message.slice(0, Math.max(0, first)))
  if (first <= 0 || second < 0 || !Number.isSafeInteger(version)) return undefined
  const circuit = parseCircuit(message.slice(first + 1, second))
  return circuit === null ? undefined : { id: message.slice(second + 1), version, circuit }
}

/** Reads `{ verdict, version, now, JSON }`. Throws on anything else. */
export function parseReply(id: string, reply: unknown): ScriptReply {
  if (!Array.isArray(reply)) throw new Error('a circuit script gave no list')
  const [verdict, version, nowMs, json]: unknown[] = reply
  if (typeof verdict === 'string' && isCount(version) && isCount(nowMs) && typeof json === 'string') {
    const circuit = parseCircuit(json)
    if (circuit !== null) return { id, verdict, version, nowMs, circuit }
  }
  throw new Error('a circuit script gave an answer that is none')
}

/** Reads `{ version, now, id, text, … }`. Throws on anything else; circuits that cannot be read are left out. */
export function parseSnapshot(reply: unknown): CircuitsSnapshot {
  if (!Array.isArray(reply)) throw new Error('the circuits are no list')
  const [version, nowMs, ...fields]: unknown[] = reply
  if (!isCount(version) || !isCount(nowMs)) throw new Error('the circuits have no version')
  const circuits: CircuitNews[] = []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const id = fields[i]
    const [, ownVersion = '', json = ''] = /^(\d+) (.*)$/s.exec(String(fields[i + 1])) ?? []
    const circuit = parseCircuit(json)
    if (typeof id === 'string' && circuit) circuits.push({ id, version: Number(ownVersion), circuit })
  }
  return { version, nowMs, circuits }
}

/** Undefined: none; null: it cannot be read. */
function parseCircuit(json: string): CircuitRecord | undefined | null {
  if (json === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const { failures, retryAt, probeAt, failedProbes, reason, probeUntil }: Record<string, unknown> = { ...value }
  if (!isCount(failures)) return null
  return {
    failures,
    ...(isCount(retryAt) ? { retryAt } : {}),
    ...(isCount(probeAt) ? { probeAt } : {}),
    ...(isCount(failedProbes) ? { failedProbes } : {}),
    ...(typeof reason === 'string' ? { reason } : {}),
    ...(isCount(probeUntil) ? { probeUntil } : {}),
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
