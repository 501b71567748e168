import type { ControllerParts } from '../controller.ts'

/**
 * Ends those of these jobs that wait. Running ones come to their end; one that Redis does not hold (yet) is found at a
 * later turn. The mark comes first: from then on no attempt starts.
 */
export async function cancelWaiting(
  { tokenLog, queue, clock }: Pick<ControllerParts, 'tokenLog' | 'queue' | 'clock'>,
  jobIds: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const statuses = await tokenLog.statuses(jobIds)
  for (const jobId of jobIds.filter((_, place) => statuses[place] === 'queued')) {
    signal.throwIfAborted()
    if ((await tokenLog.requestCancel(jobId)) !== 'queued') continue
    const record = await tokenLog.record(jobId)
    if (record === null) continue
    const error = { code: 'job_cancelled' as const, message: 'The batch was cancelled.' }
    await tokenLog.terminate(jobId, 'cancelled', { at: clock.now(), error })
    const modelClass = record.spec.candidates[record.hop]?.class ?? ''
    await queue.remove({ jobId, hop: record.hop, class: modelClass })
  }
}
