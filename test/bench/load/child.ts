import { runClosedLoop, runRequests } from './closed-loop.ts'
import { runConcurrentStreams } from './concurrent-streams.ts'
import { runFaultLoad } from './fault-load.ts'
import { runOpenLoop } from './open-loop.ts'
import { runPaired } from './paired.ts'
import type { LoadReply, LoadResults, LoadTask } from './protocol.ts'
import { type IdleReaders, openReaders, submitJobs } from './readers.ts'
import { runStampedStreams } from './stamped-streams.ts'
import { runSubmitLoop } from './submit-loop.ts'

/**
 * The load generator: a process of its own, so that what it uses is not taken for the harness's or a target's.
 * Takes one task at a time over the channel to its parent, and ends with it.
 */
export function runLoadChild(): void {
  let readers: IdleReaders | undefined

  const perform = async (task: LoadTask): Promise<LoadResults[keyof LoadResults]> => {
    switch (task.kind) {
      case 'closed-loop':
        return runClosedLoop(task)
      case 'open-loop':
        return runOpenLoop(task)
      case 'requests':
        return runRequests(task)
      case 'paired':
        return runPaired(task)
      case 'concurrent-streams':
        return runConcurrentStreams(task)
      case 'stamped-streams':
        return runStampedStreams(task)
      case 'fault-load':
        return runFaultLoad(task)
      case 'submit-loop':
        return runSubmitLoop(task)
      case 'submit-jobs':
        return submitJobs(task)
      case 'open-readers':
        readers = await openReaders(task.endpoint, task.jobIds)
        return { open: readers.open(), faults: readers.faults() }
      case 'close-readers': {
        const result = { stillOpen: readers?.open() ?? 0, faults: readers?.faults() ?? {} }
        await readers?.close()
        readers = undefined
        return result
      }
      default:
        return task satisfies never
    }
  }

  const reply = (message: LoadReply): void => void process.send?.(message)
  process.on('message', (task: LoadTask) => {
    perform(task).then(
      (result) => reply({ ok: true, result }),
      (error: unknown) => reply({ ok: false, message: error instanceof Error ? error.message : String(error) }),
    )
  })
  process.once('disconnect', () => process.exit(0))
}
