import type { JobQueue } from '@inferq/queue'
import type { ClassPace } from './class-pace.ts'
import type { JobTrack } from './job-track.ts'
import { comment } from './sse.ts'

/** Comments that tell a waiting client its place in line, and how long that will take. */
export interface PositionComments {
  /** Never rejects: where the place cannot be told now, it says only that the job waits. */
  commentFor(track: JobTrack): Promise<string>
}

/** Lookups at once; with more waiting clients than that, some comments go without a number. */
const maxLookups = 200

export function createPositionComments(queue: JobQueue, pace: ClassPace): PositionComments {
  let lookups = 0
  return {
    async commentFor(track) {
      if (lookups >= maxLookups) return comment('queued')
      lookups++
      try {
        const position = await queue.position({ jobId: track.jobId, hop: track.hop, class: track.class })
        if (position === null) return comment('queued')
        const seconds = await pace.etaSeconds(track.class, position)
        return comment(`queued position=${position}${seconds === null ? '' : ` eta_s=${seconds}`}`)
      } catch {
        return comment('queued')
      } finally {
        lookups--
      }
    },
  }
}
