import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { membersOf } from '../faults/members.ts'
import type { History } from '../history/history.ts'
import type { System } from '../system/system.ts'
import type { Struck } from './inject.ts'
import type { RunViolation } from './run.ts'

/** Enough to find a cause by. */
const toldJobs = 50

/** Writes what each member has logged, and `story`, into the folder. */
export async function keepLogs(folder: string, system: System, story: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const files = membersOf(system).map(({ name, lines }): [string, string] => [`${name}.log`, `${lines.join('\n')}\n`])
  await Promise.all(
    [...files, ['story.json', `${story}\n`] as const].map(([name, text]) => writeFile(join(folder, name), text)),
  )
}

/** What is known of each job whose promise was broken, as JSON. */
export function tellStory(history: History, violations: readonly RunViolation[], struck: readonly Struck[]): string {
  const jobIds = [...new Set(violations.map(({ jobId }) => jobId))].slice(0, toldJobs)
  const jobs = jobIds.map((jobId) => ({
    jobId,
    violations: violations.filter((violation) => violation.jobId === jobId),
    accepted: history.accepted.filter((one) => one.jobId === jobId),
    job: history.jobs.get(jobId),
    requests: history.requests.filter((one) => one.jobId === jobId || one.user === jobId),
    readers: history.readers.filter((one) => one.jobId === jobId),
    usage: history.usage.get(jobId),
    attempts: history.attempts.get(jobId),
    upstream: history.upstream.get(jobId),
  }))
  return JSON.stringify({ faults: struck, redisLosses: history.redisLosses, jobs }, null, 2)
}
