import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LoadProcess, startLoadProcess } from './load/load-process.ts'
import { prompt } from './load/prompt.ts'
import type { ChatCall, ExpectedAnswer } from './load/protocol.ts'
import { withoutStamps } from './load/stamps.ts'
import { type Pinning, pinProcess } from './measure/affinity.ts'
import { models } from './targets/models.ts'
import { startSimulator, type UpstreamSimulator } from './targets/simulator.ts'
import type { Surroundings } from './targets/target.ts'

/** What the bench is run with. */
export interface Workplace {
  /** This checkout. */
  readonly root: string
  readonly main: string
  readonly environment: NodeJS.ProcessEnv
  /** A line for whoever waits. */
  progress(line: string): void
}

/** An upstream, a load generator and a folder: what every kind of run needs. */
export interface Session {
  readonly simulator: UpstreamSimulator
  readonly load: LoadProcess
  readonly surroundings: Surroundings
  /** The call for a model, with the answer it must give. */
  call(model: string, stream: boolean): ChatCall
  /** Has something stopped at the end, before what was started earlier. */
  defer(stop: () => Promise<void>): void
}

/**
 * Runs `work` in a session, and ends everything that was started, whatever happens. With `pinning` this process
 * moves to the cores of what it is about to start, which inherits them.
 */
export async function withSession<T>(
  workplace: Workplace,
  work: (session: Session) => Promise<T>,
  pinning?: Pinning,
): Promise<T> {
  const { root, main } = workplace
  const environment = cleanEnvironment(workplace.environment)
  const folder = mkdtempSync(join(tmpdir(), 'inferq-bench-'))
  const cacheFolder = join(root, '.inferq', 'bench', 'cache')
  mkdirSync(cacheFolder, { recursive: true })
  const stops: (() => Promise<void>)[] = []
  const stopAll = async (): Promise<void> => {
    for (const stop of stops.splice(0).toReversed()) await stop()
    rmSync(folder, { recursive: true, force: true })
  }
  const interrupt = (): void => void stopAll().finally(() => process.exit(130))
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  const startOn = (cores: string | undefined): void => {
    if (cores !== undefined) pinProcess(process.pid, cores)
  }
  try {
    startOn(pinning?.around)
    const simulator = await startSimulator(folder, environment)
    stops.push(simulator.stop)
    const load = await startLoadProcess(main, environment)
    stops.push(load.stop)
    startOn(pinning?.target)
    const answers = await learnAnswers(simulator.url)
    return await work({
      simulator,
      load,
      surroundings: { folder, cacheFolder, environment, main, upstreamUrl: simulator.url },
      call(model, stream) {
        const expected = answers.get(model)
        if (expected === undefined) throw new Error(`the bench has no model ${model}`)
        return { model, stream, expected }
      },
      defer: (stop) => void stops.push(stop),
    })
  } finally {
    await stopAll()
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}

/** The answers follow from model and prompt: asked once, they are what every target has to deliver. */
async function learnAnswers(upstreamUrl: string): Promise<ReadonlyMap<string, ExpectedAnswer>> {
  const learn = async (model: string): Promise<[string, ExpectedAnswer]> => {
    const response = await fetch(`${upstreamUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: prompt }] }),
    })
    const answer = (await response.json()) as {
      choices: [{ message: { content: string } }]
      usage: { completion_tokens: number }
    }
    return [model, { text: withoutStamps(answer.choices[0].message.content), tokens: answer.usage.completion_tokens }]
  }
  return new Map(await Promise.all(Object.values(models).map(learn)))
}

/** What is set for somebody's own inferq, or for another program, must not reach the ones measured here. */
const configuring =
  /^(INFERQ_|LITELLM_|OPENAI_|OLLAMA_|VLLM_|ANTHROPIC_|REDIS_|DATABASE_|PG|CONFIG_FILE|OTEL_|LANGFUSE_|MLFLOW_|SENTRY_|NODE_OPTIONS$|NODE_ENV$|PORT$|LOG_LEVEL$)/

function cleanEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !configuring.test(name)))
}
