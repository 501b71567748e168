import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { LoadReply, LoadResults, LoadTask } from './protocol.ts'

/** The load generator as the harness sees it. */
export interface LoadProcess {
  readonly pid: number
  /** Runs one task; another one waits for it. Rejects when the generator dies. */
  run<Kind extends LoadTask['kind']>(task: Extract<LoadTask, { kind: Kind }>): Promise<LoadResults[Kind]>
  stop(): Promise<void>
}

/** Starts the load generator: `main load`. */
export async function startLoadProcess(main: string, environment: NodeJS.ProcessEnv): Promise<LoadProcess> {
  const child = fork(main, ['load'], {
    env: environment,
    execArgv: ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=64'],
    // JSON, the default, has no NaN.
    serialization: 'advanced',
  })
  await once(child, 'spawn')
  const { pid } = child
  if (pid === undefined) throw new Error('the load generator has no process id')
  let last: Promise<unknown> = Promise.resolve()

  const perform = (task: LoadTask): Promise<LoadResults[keyof LoadResults]> =>
    new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error('the load generator is gone'))
      child.once('exit', onExit)
      child.once('message', (reply: LoadReply) => {
        child.off('exit', onExit)
        if (reply.ok) resolve(reply.result)
        else reject(new Error(`the load generator failed: ${reply.message}`))
      })
      child.send(task)
    })

  return {
    pid,
    run<Kind extends LoadTask['kind']>(task: Extract<LoadTask, { kind: Kind }>) {
      const result = last.then(() => perform(task)) as Promise<LoadResults[Kind]>
      last = result.catch(() => {})
      return result
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.disconnect()
      await exited
    },
  }
}
