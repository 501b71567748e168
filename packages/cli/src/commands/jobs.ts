import type { JobView } from '@inferq/contracts'
import type { CommandContext } from '../context.ts'
import { CommandError, exitCodes } from '../exit-codes.ts'
import { createIngressClient, type IngressClient } from '../ingress-client.ts'

export interface JobCommandOptions {
  readonly url?: string
  readonly key?: string
}

/** Which jobs; what is absent does not matter. Times in Unix seconds. */
export interface JobFilters extends JobCommandOptions {
  readonly status?: string
  readonly errorCode?: string
  readonly type?: string
  readonly model?: string
  readonly class?: string
  readonly owner?: string
  readonly everybody?: boolean
  readonly since?: number
  readonly until?: number
  readonly limit: number
}

const mostPerPage = 100

/** One line for each job: id, status, when it was accepted, owner, model, and how it failed. */
export async function listJobs(
  options: JobFilters & { readonly json?: boolean },
  context: CommandContext,
): Promise<number> {
  for await (const job of findJobs(clientOf(options, context), options)) {
    context.out(`${options.json === true ? JSON.stringify(job) : describe(job)}\n`)
  }
  return exitCodes.ok
}

export async function showJob(id: string, options: JobCommandOptions, context: CommandContext): Promise<number> {
  const job = await clientOf(options, context).get<JobView>(pathOf(id))
  context.out(`${JSON.stringify(job, null, 2)}\n`)
  return exitCodes.ok
}

/** A line for each: the old id and the new one. Goes on after one that cannot be run again; then the exit code is 1. */
export async function retryJobs(
  ids: readonly string[],
  options: JobFilters & { readonly failed?: boolean },
  context: CommandContext,
): Promise<number> {
  if (ids.length > 0 === (options.failed === true)) {
    throw new CommandError(exitCodes.usage, 'name the jobs to run again, or all failed ones that fit with --failed')
  }
  const client = clientOf(options, context)
  // Found first: those made here may fail at once and must not be found again.
  const chosen = options.failed === true ? await idsOfFailed(client, options) : ids
  return forEach(chosen, context, async (id) => {
    const { id: newId } = await client.post<JobView>(
      `${pathOf(id)}/retry`,
      {},
      { 'idempotency-key': `inferq-jobs-retry-${id}` },
    )
    context.out(`${id} → ${newId}\n`)
  })
}

/** A line for each: the id, and what became of it. */
export async function cancelJobs(
  ids: readonly string[],
  options: JobCommandOptions,
  context: CommandContext,
): Promise<number> {
  const client = clientOf(options, context)
  return forEach(ids, context, async (id) => {
    const { outcome } = await client.post<{ outcome: string }>(`${pathOf(id)}/cancel`)
    context.out(`${id} ${outcome}\n`)
  })
}

/** One after the other. What the ingress refuses is told, and the rest is done; without an ingress nothing more is tried. */
async function forEach(
  ids: readonly string[],
  context: CommandContext,
  act: (id: string) => Promise<void>,
): Promise<number> {
  let refused = 0
  for (const id of ids) {
    try {
      await act(id)
    } catch (thrown) {
      if (!(thrown instanceof CommandError) || thrown.exitCode !== exitCodes.failed) throw thrown
      refused += 1
      context.err(`${id}: ${thrown.message}\n`)
    }
  }
  return refused === 0 ? exitCodes.ok : exitCodes.failed
}

async function idsOfFailed(client: IngressClient, filters: JobFilters): Promise<readonly string[]> {
  const ids: string[] = []
  for await (const { id } of findJobs(client, { ...filters, status: 'failed' })) ids.push(id)
  return ids
}

async function* findJobs(client: IngressClient, filters: JobFilters): AsyncGenerator<JobView> {
  const query = toQuery(filters)
  for (let left = filters.limit; left > 0; ) {
    query.set('limit', String(Math.min(left, mostPerPage)))
    const page = await client.get<{ data: JobView[]; next: string | null }>(`/v1/jobs?${query}`)
    yield* page.data
    left -= page.data.length
    if (page.next === null) return
    query.set('after', page.next)
  }
}

function toQuery(filters: JobFilters): URLSearchParams {
  const { status, errorCode, type, model, class: modelClass, everybody, since, until } = filters
  const asked = {
    ...{ status, error_code: errorCode, type, model, class: modelClass, created_after: since, created_before: until },
    owner: everybody === true ? '*' : filters.owner,
  }
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(asked)) if (value !== undefined) query.set(name, String(value))
  return query
}

function describe(job: JobView): string {
  const at = new Date(job.created_at * 1000).toISOString()
  const tries = `${job.attempts.length} attempt${job.attempts.length === 1 ? '' : 's'}`
  const error = job.error === null ? '' : `  ${job.error.code}: ${firstLine(job.error.message)}`
  return `${job.id}  ${job.status.padEnd(11)}  ${at}  ${job.owner}  ${job.model}  ${tries}${error}`
}

/** A message may come from an upstream, and goes to a terminal. */
function firstLine(message: string): string {
  return message.replace(/\p{C}+/gu, ' ').slice(0, 200)
}

function clientOf({ url, key }: JobCommandOptions, { variables }: CommandContext): IngressClient {
  return createIngressClient({ url, key, variables })
}

function pathOf(id: string): string {
  return `/v1/jobs/${encodeURIComponent(id)}`
}
