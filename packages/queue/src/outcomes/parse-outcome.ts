import { type OutcomeMessage, terminalStatuses } from '@inferq/contracts'

/** The message, or null for what is none. Only what the record of truth cannot do without is checked. */
export function parseOutcome(text: string): OutcomeMessage | null {
  let value: Partial<Record<string, unknown>>
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null || typeof value['jobId'] !== 'string') return null
  if (value['kind'] === 'start') return Number.isFinite(value['at']) ? (value as unknown as OutcomeMessage) : null
  const isEnd =
    value['kind'] === 'end' &&
    terminalStatuses.some((status) => status === value['status']) &&
    ['type', 'operation', 'mode', 'tier', 'owner', 'model', 'class', 'requestId'].every(
      (field) => typeof value[field] === 'string',
    ) &&
    Number.isFinite(value['createdAt']) &&
    Number.isFinite(value['endedAt']) &&
    Array.isArray(value['attempts'])
  return isEnd ? (value as unknown as OutcomeMessage) : null
}
