import { writeFileSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule, TestRunEndReason } from 'vitest/node'

export interface TestCounts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** Vitest reporter that leaves the counts in the file named by INFERQ_TEST_COUNTS, where the gate reads them. */
export default class TestCountsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[], reason: TestRunEndReason): void {
    const file = process.env['INFERQ_TEST_COUNTS']
    if (file) writeFileSync(file, JSON.stringify(countTests(modules, unhandled, reason)))
  }
}

/**
 * A failure outside any test (a module that does not load, a hook, an unhandled rejection, an interruption) counts as
 * a failed test, and so does one that never reported back: a green count means that everything ran.
 */
function countTests(
  modules: readonly TestModule[],
  unhandled: readonly SerializedError[],
  reason: TestRunEndReason,
): TestCounts {
  let passed = 0
  let skipped = 0
  let failed = unhandled.length + (reason === 'interrupted' ? 1 : 0)
  for (const module of modules) {
    failed += module.errors().length
    for (const suite of module.children.allSuites()) failed += suite.errors().length
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      if (state === 'passed') passed += 1
      else if (state === 'skipped') skipped += 1
      else failed += 1
    }
  }
  return { passed, failed, skipped }
}
