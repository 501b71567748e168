import type { Reporter, TestModule } from 'vitest/node'

/** Twice the longest test timeout in vitest.config.ts: past it, a loop holds the thread that would enforce the timeout. */
const stallMs = 120_000

/** Vitest reporter that ends a run in which nothing ends any more, and says which files are to blame. */
export default class StallWatch implements Reporter {
  readonly #running = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  onTestRunStart(): void {
    this.#restart()
  }

  onTestModuleStart(module: TestModule): void {
    this.#running.add(module.relativeModuleId)
    this.#restart()
  }

  onTestCaseResult(): void {
    this.#restart()
  }

  onTestModuleEnd(module: TestModule): void {
    this.#running.delete(module.relativeModuleId)
    this.#restart()
  }

  onTestRunEnd(): void {
    clearTimeout(this.#timer)
  }

  #restart(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      console.error(`No test has ended for ${stallMs / 1000} s. Still running: ${[...this.#running].join(', ')}`)
      process.exit(1)
    }, stallMs)
  }
}
