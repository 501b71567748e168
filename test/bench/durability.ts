import { setTimeout as sleep } from 'node:timers/promises'
import { createRedisKeys, type EndMessage } from '@inferq/contracts'
import { closeRedis, createId, createRedis, createSilentLog, type Redis, whenRedisReady } from '@inferq/runtime'
import { readProcesses, type TrackedProcess } from './measure/processes.ts'
import { cpuForEach, type Round, renderDurability, type SubmitRound } from './report/durability.ts'
import { type Session, type Workplace, withSession } from './session.ts'
import { type InferqTarget, startInferq } from './targets/inferq.ts'
import { models } from './targets/models.ts'
import { type BenchPostgres, startPostgres } from './targets/postgres.ts'

export interface DurabilityOptions {
  readonly rounds: number
  /** Of each round of submits. */
  readonly seconds: number
}

const connections = 64
const outcomesPerRound = 50_000
const fedAtOnce = 1_000
const recordedWithinMs = 300_000

/**
 * What durability costs at most: asynchronous submits, each answered when its row is committed; and ends of jobs from the
 * outcome stream into Postgres. The jobs submitted wait: no worker serves their class, so that nobody else is measured.
 */
export async function benchDurability(options: DurabilityOptions, workplace: Workplace): Promise<string> {
  return withSession(workplace, async (session) => {
    const postgres = await startPostgres(session.surroundings.folder)
    if (postgres !== undefined) session.defer(postgres.stop)
    const database =
      postgres?.version ??
      'PGlite, since no PostgreSQL is installed: it runs one statement at a time, the goals are not meant for it'
    workplace.progress(`starting inferq on ${database}`)
    const target = await startInferq({
      ...session.surroundings,
      root: workplace.root,
      ...(postgres === undefined ? {} : { databaseUrl: postgres.url }),
    })
    session.defer(target.stop)
    const processes =
      postgres === undefined ? target.processes : [...target.processes, { label: 'postgres', pid: postgres.pid }]
    const bench: Bench = { ...options, session, target, postgres, processes, progress: workplace.progress }
    const submits = await measureSubmits(bench)
    const outcomes = await measureOutcomes(bench)
    return renderDurability({
      ...{ database, connections, rowsPerOutcome: 3, submits: submits.rounds, outcomes: outcomes.rounds },
      cpuMicros: { submit: submits.cpuMicros, outcome: outcomes.cpuMicros },
    })
  })
}

interface Bench extends DurabilityOptions {
  readonly session: Session
  readonly target: InferqTarget
  readonly postgres: BenchPostgres | undefined
  readonly processes: readonly TrackedProcess[]
  progress(line: string): void
}

interface Measured<Of extends Round> {
  readonly rounds: readonly Of[]
  readonly cpuMicros: Readonly<Record<string, number>>
}

async function measureSubmits({
  rounds,
  seconds,
  session,
  target,
  processes,
  progress,
}: Bench): Promise<Measured<SubmitRound>> {
  const { endpoint } = target
  const task = { kind: 'submit-loop', endpoint, model: models.parked, connections } as const
  progress('warming up')
  await session.load.run<'submit-loop'>({ ...task, durationMs: 2_000 })
  const measured: SubmitRound[] = []
  const before = readProcesses(processes)
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}: submits for ${seconds} s`)
    const { completed, faults, ...times } = await session.load.run<'submit-loop'>({
      ...task,
      durationMs: seconds * 1000,
    })
    if (Object.keys(faults).length > 0) throw new Error(`submits failed: ${JSON.stringify(faults)}`)
    measured.push({ done: completed, ...times })
  }
  return { rounds: measured, cpuMicros: cpuForEach(before, readProcesses(processes), doneIn(measured)) }
}

/** The controller stands still while the stream is filled, and runs until it is empty. */
async function measureOutcomes({
  rounds,
  session,
  target,
  postgres,
  processes,
  progress,
}: Bench): Promise<Measured<Round>> {
  const redis = createRedis({ url: target.redisUrl, role: 'command', name: 'bench', log: createSilentLog() })
  await whenRedisReady(redis, { timeoutMs: 5_000 })
  session.defer(() => closeRedis(redis))
  const controller = target.processes.find(({ label }) => label === 'controller')
  if (controller === undefined) throw new Error('there is no controller')
  const stream = createRedisKeys().outcomes()
  const bills = async (): Promise<number> => Number((await postgres?.value('select count(*) from usage')) ?? Number.NaN)
  const record = async (count: number): Promise<Round> => {
    const before = await bills()
    process.kill(controller.pid, 'SIGSTOP')
    try {
      await feed(redis, stream, count)
    } finally {
      process.kill(controller.pid, 'SIGCONT')
    }
    const startedAt = performance.now()
    await untilEmpty(redis, stream)
    const elapsedMs = performance.now() - startedAt
    const recorded = (await bills()) - before
    if (postgres !== undefined && recorded !== count) throw new Error(`${count} outcomes made ${recorded} bills`)
    return { done: count, elapsedMs }
  }
  await untilEmpty(redis, stream)
  progress('warming up')
  await record(outcomesPerRound / 10)
  const measured: Round[] = []
  const before = readProcesses(processes)
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}: ${outcomesPerRound} outcomes`)
    measured.push(await record(outcomesPerRound))
  }
  return { rounds: measured, cpuMicros: cpuForEach(before, readProcesses(processes), doneIn(measured)) }
}

function doneIn(rounds: readonly Round[]): number {
  return rounds.reduce((sum, { done }) => sum + done, 0)
}

async function feed(redis: Redis, stream: string, count: number): Promise<void> {
  for (let fed = 0; fed < count; fed += fedAtOnce) {
    const pipeline = redis.pipeline()
    for (let index = 0; index < fedAtOnce; index++) pipeline.xadd(stream, '*', 'm', JSON.stringify(endedJob()))
    for (const [failure] of (await pipeline.exec()) ?? []) if (failure) throw failure
  }
}

/** A message is deleted when it is recorded. */
async function untilEmpty(redis: Redis, stream: string): Promise<void> {
  const endsAt = performance.now() + recordedWithinMs
  while ((await redis.xlen(stream)) > 0) {
    if (performance.now() > endsAt) throw new Error('the outcomes were not recorded in time')
    await sleep(20)
  }
}

/** The end of an interactive chat, as a worker reports it. */
function endedJob(): EndMessage {
  const endedAt = Date.now()
  const startedAt = endedAt - 900
  const usage = { promptTokens: 210, completionTokens: 84 }
  const attempt = { attempt: 1, hop: 0, class: 'bench', worker: 'bench-1', startedAt, deployment: 'bench/openai/bench' }
  return {
    kind: 'end',
    jobId: createId('job'),
    status: 'completed',
    type: 'completion',
    operation: 'chat',
    mode: 'interactive',
    tier: 'default',
    owner: 'master',
    model: 'bench',
    servedModel: 'bench',
    class: 'bench',
    requestId: createId('req'),
    metadata: {},
    createdAt: startedAt - 3,
    endedAt,
    attempts: [{ ...attempt, endedAt, outcome: 'completed', usage, costNanoUsd: 81_900 }],
    deployment: attempt.deployment,
    timings: { startedAt, firstTokenAt: startedAt + 120, endedAt },
    usage,
    costNanoUsd: 81_900,
    route: { strategy: 'simple-shuffle', reason: 'the model that was asked for' },
    finishReason: 'stop',
  }
}
