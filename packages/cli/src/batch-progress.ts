import type { BatchObject } from '@inferq/contracts'
import cliProgress from 'cli-progress'
import type { CommandContext } from './context.ts'

/** How far a batch is, on standard error. */
export interface BatchProgress {
  show(batch: BatchObject): void
  /** Something beside. */
  say(text: string): void
  stop(): void
}

/** A bar where somebody looks; else a line whenever something has changed. */
export function createBatchProgress(context: CommandContext): BatchProgress {
  return context.isTerminal ? createBar(context) : createLines(context)
}

function createBar(context: CommandContext): BatchProgress {
  const bar = new cliProgress.SingleBar({
    format: '{status} [{bar}] {value}/{total} · {failed} failed · {eta_formatted} left',
    barCompleteChar: '█',
    barIncompleteChar: '·',
    hideCursor: true,
    stopOnComplete: false,
    etaBuffer: 100,
  })
  let started = false
  return {
    show(batch) {
      const { total, completed, failed } = batch.request_counts
      const payload = { status: batch.status, failed }
      if (!started) bar.start(Math.max(1, total), 0, payload)
      started = true
      bar.setTotal(Math.max(1, total))
      bar.update(completed + failed, payload)
    },
    say: (text) => context.err(`\n${text}\n`),
    stop() {
      if (started) bar.stop()
    },
  }
}

function createLines(context: CommandContext): BatchProgress {
  let last = ''
  return {
    show(batch) {
      const { total, completed, failed } = batch.request_counts
      const line = `${batch.status}: ${completed + failed} of ${total}${failed === 0 ? '' : `, ${failed} failed`}\n`
      if (line !== last) context.err(line)
      last = line
    },
    say: (text) => context.err(`${text}\n`),
    stop() {},
  }
}
