import type { Candidate, ErrorCode, ErrorDetail } from '@inferq/contracts'

const afterCode: Readonly<Partial<Record<ErrorCode, Candidate['after']>>> = {
  context_length_exceeded: 'context_window',
  content_filter: 'content_policy',
}

/**
 * Index of the first later candidate that this failure of candidate `hop` leads to; null when there is none. A hop only
 * ever goes forward, so every job comes to an end. One that is the same once more (a model may be a fallback for one
 * failure and for any) is passed over, and after a rejected answer all of the same model are.
 */
export function nextCandidate(
  candidates: readonly Candidate[],
  hop: number,
  error: Pick<ErrorDetail, 'code'>,
): number | null {
  const current = candidates[hop]
  const after = afterCode[error.code]
  for (let index = Math.max(0, hop + 1); index < candidates.length; index += 1) {
    const candidate = candidates[index]
    if (candidate === undefined) continue
    if (candidate.after !== undefined && candidate.after !== after) continue
    if (current === undefined) return index
    if (error.code === 'answer_rejected' ? candidate.model !== current.model : !isSame(candidate, current)) return index
  }
  return null
}

function isSame(a: Candidate, b: Candidate): boolean {
  return (
    a.model === b.model &&
    a.class === b.class &&
    a.deployments.length === b.deployments.length &&
    a.deployments.every((id) => b.deployments.includes(id))
  )
}
