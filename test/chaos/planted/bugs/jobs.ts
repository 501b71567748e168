import type { PlantedBug } from '../bug.ts'

/** Accepted jobs: that they are kept, and how they end. */
export const jobBugs: readonly PlantedBug[] = [
  {
    name: 'retention-takes-all',
    mistake: 'retention deletes what has ended, not what ended long enough ago',
    rule: 'accepted-is-kept',
    group: 'ends',
    patches: [
      {
        file: 'services/controller/src/retention.ts',
        find: 'store.deleteEnded({ endedBefore: clock.now() - keepMs(), limit: pageSize })',
        replace: 'store.deleteEnded({ endedBefore: clock.now(), limit: pageSize })',
      },
      // It turns once a minute: longer than the run.
      {
        file: 'services/controller/src/options.ts',
        find: 'retainEveryMs: 60_000,',
        replace: 'retainEveryMs: 1_000,',
      },
    ],
  },
  {
    name: 'key-is-always-old',
    mistake: 'a comparison the wrong way round takes every Idempotency-Key for one past its time',
    rule: 'same-key-same-job',
    group: 'readers',
    patches: [
      {
        file: 'packages/store/src/idempotency.ts',
        find: "where kept.created_at < now() - $6 * interval '1 millisecond'",
        replace: "where kept.created_at > now() - $6 * interval '1 millisecond'",
      },
    ],
  },
  {
    name: 'cancelled-is-recorded-as-failed',
    mistake: 'whatever ends with an error is recorded as failed',
    rule: 'ends-once',
    group: 'faults',
    patches: [
      {
        file: 'packages/store/src/record-ends.ts',
        find: '    status: message.status,',
        replace: "    status: message.error === undefined ? message.status : 'failed',",
      },
    ],
  },
  {
    name: 'cancel-tells-nobody',
    mistake: 'a cancel marks a running job, says that it is cancelled, and does not tell its worker',
    rule: 'cancelled-stays-cancelled',
    group: 'ends',
    patches: [
      {
        file: 'services/ingress/src/routes/jobs.ts',
        find: '  const outcome = await cancelJob(core, jobId)\n',
        replace: `  if (status === 'in_progress') {
    await core.tokenLog.requestCancel(jobId)
    return 'cancelled'
  }
  const outcome = await cancelJob(core, jobId)
`,
      },
    ],
  },
]
