import type { AttemptRecord, EndMessage, JobSpec, OutcomeMessage, TerminalStatus } from '@inferq/contracts'
import { createId, createSilentLog } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createStore, type Store } from '../src/index.ts'
import { type DatabaseServer, databaseKinds } from './support/database-servers.ts'
import { endOf, jobSpec, startOf } from './support/jobs.ts'

/** A job as a worker and its like would report it. */
interface Life {
  readonly isAsync: boolean
  readonly hasStarted: boolean
  readonly end: { readonly status: TerminalStatus; readonly attempts: number; readonly isCounted: boolean } | null
}

const lives = fc.array(
  fc.record<Life>({
    isAsync: fc.boolean(),
    hasStarted: fc.boolean(),
    end: fc.option(
      fc.record({
        status: fc.constantFrom<TerminalStatus[]>('completed', 'failed', 'cancelled', 'expired'),
        attempts: fc.integer({ min: 0, max: 3 }),
        isCounted: fc.boolean(),
      }),
    ),
  }),
  { minLength: 1, maxLength: 6 },
)

/** Deliveries: numbers of messages, in batches; modulo what there is. All that is missing comes in the last batch. */
const deliveries = fc.array(fc.array(fc.nat(), { maxLength: 8 }), { maxLength: 5 })

describe.each(databaseKinds())('outcomes on $name', ({ start }) => {
  let server: DatabaseServer
  let stores: readonly Store[]
  let reader: pg.Client

  beforeAll(async () => {
    server = await start()
    stores = [0, 1].map(() => createStore({ url: server.url, log: createSilentLog() }))
    const [first] = stores
    await until(() => first?.migrate().catch(() => undefined))
    reader = new pg.Client({ connectionString: server.url })
    reader.on('error', () => {})
    await reader.connect()
  })
  afterAll(async () => {
    await reader?.end()
    await Promise.all((stores ?? []).map((store) => store.close()))
    await server?.stop()
  })

  it('make the same rows and bills in whatever order, batches and number they come, at two controllers', async () => {
    await fc.assert(
      fc.asyncProperty(lives, deliveries, async (drawn, batches) => {
        const jobs = drawn.map((life) => ({ life, spec: jobSpec({ mode: life.isAsync ? 'async' : 'interactive' }) }))
        await stores[0]?.insertAccepted(jobs.filter(({ life }) => life.isAsync).map(({ spec }) => spec))
        const messages = jobs.flatMap(({ life, spec }) => messagesOf(life, spec))
        const rest = messages.map((_, index) => index)
        const ended: string[] = []
        if (messages.length > 0) {
          const commits = [...batches, rest].map(async (batch, index) => {
            const part = batch.map((number) => messages[number % messages.length]).filter((one) => one !== undefined)
            const report = await stores[index % 2]?.commitOutcomes(part)
            ended.push(...(report?.ended ?? []).map(({ jobId }) => jobId))
            expect(report?.rejected).toEqual([])
          })
          await Promise.all(commits)
        }
        expect(ended.sort()).toEqual(
          endsOf(messages)
            .map(({ jobId }) => jobId)
            .sort(),
        )
        expect(await rowsOf(jobs.map(({ spec }) => spec))).toEqual(
          jobs.map(({ life, spec }) => expectedRows(life, spec)),
        )
      }),
      { numRuns: 25 },
    )
  })

  const rowsOf = async (specs: readonly JobSpec[]): Promise<readonly unknown[]> => {
    const { rows } = await reader.query(
      `select
        (select coalesce(json_agg(json_build_object('status', status, 'isForgotten', request is null,
          'started', started_at is not null)), '[]') from jobs where jobs.id = wanted.id) as jobs,
        (select coalesce(json_agg(json_build_object('tokens', prompt_tokens, 'cost', cost_nano_usd, 'deployment', deployment)), '[]')
          from usage where job_id = wanted.id) as usage,
        (select coalesce(json_agg(json_build_object('attempt', attempt, 'cost', cost_nano_usd, 'outcome', outcome) order by attempt), '[]')
          from attempt_cost where job_id = wanted.id) as costs
      from unnest($1::text[]) with ordinality as wanted (id, place) order by place`,
      [specs.map(({ id }) => id)],
    )
    return rows
  }
})

function messagesOf(life: Life, spec: JobSpec): readonly OutcomeMessage[] {
  const { isAsync, hasStarted, end } = life
  const start = isAsync && hasStarted ? [startOf(spec)] : []
  return end === null ? start : [...start, toEnd(spec, end)]
}

function toEnd(spec: JobSpec, { status, attempts, isCounted }: NonNullable<Life['end']>): EndMessage {
  const { usage, ...rest } = endOf(spec, {
    status,
    costNanoUsd: isCounted ? 1_000 * attempts : null,
    attempts: Array.from({ length: attempts }, (_, index) => attemptOf(spec, index + 1)),
    requestId: createId('req'),
  })
  return isCounted && usage !== undefined ? { ...rest, usage } : rest
}

function attemptOf(spec: JobSpec, attempt: number): AttemptRecord {
  const at = { hop: 0, class: 'gpu', worker: 'w1', startedAt: spec.createdAt + attempt }
  return { ...at, attempt, deployment: 'gpu-1', outcome: 'completed', costNanoUsd: 1_000 }
}

function endsOf(messages: readonly OutcomeMessage[]): readonly EndMessage[] {
  return messages.filter((message) => message.kind === 'end')
}

function expectedRows({ isAsync, hasStarted, end }: Life, spec: JobSpec): object {
  if (end === null) {
    const status = hasStarted ? 'in_progress' : 'queued'
    const jobs = isAsync ? [{ status, isForgotten: false, started: hasStarted }] : []
    return { jobs, usage: [], costs: [] }
  }
  const message = toEnd(spec, end)
  const { status } = end
  const cost = message.costNanoUsd
  return {
    jobs: [{ status, isForgotten: !isAsync || status === 'completed', started: true }],
    usage: [{ tokens: message.usage?.promptTokens ?? null, cost, deployment: 'gpu-1' }],
    costs: message.attempts.map(({ attempt }) => ({ attempt, cost: 1_000, outcome: 'completed' })),
  }
}
