import { errorMessage } from '@inferq/runtime'
import type { Job } from 'bullmq'
import { type BullData, deliveryOf } from './bull-jobs.ts'
import type { Handover, HandoverReply } from './handover.ts'
import type { Delivery } from './job-queue.ts'

export interface JobHandover {
  readonly handover: Handover
  /** The worker that should run a job that was fetched here; null: this one. Asked once for each job, at its first start. */
  preferred(delivery: Delivery): string | null
  onReply(workerId: string, reply: HandoverReply): void
}

export interface OffersOptions extends JobHandover {
  readonly class: string
  readonly lockMs: number
  /** Key of a job's lock. */
  lockKey(bullId: string): string
  onTrouble(facts: { readonly class: string; readonly error: string }): void
}

/** Jobs that were fetched here, and that another worker should rather run. */
export interface Offers {
  /** Whose job it is: as `keep` of a fetcher. */
  keep(job: Job<BullData>, token: string, ownToken: string): Promise<string | null>
}

export function createOffers(options: OffersOptions): Offers {
  const { handover } = options

  const offer = async (job: Job<BullData>, to: string, token: string, ownToken: string): Promise<string | null> => {
    const bullId = job.id ?? ''
    const reply = await handover.offer(to, { class: options.class, bullId, token })
    options.onReply(to, reply)
    if (reply === 'refused') return token
    if (reply === 'taken') return null
    // From now on the other's claim fails, however late it comes.
    return (await handover.claim(options.lockKey(bullId), token, ownToken, options.lockMs)) ? ownToken : null
  }

  return {
    async keep(job, token, ownToken) {
      // One that comes back has had its chance.
      if (handover.spillMs === 0 || job.attemptsStarted > 1) return token
      const to = options.preferred(deliveryOf(job.id ?? '', job.name, job.data, options.class))
      if (to === null) return token
      try {
        return await offer(job, to, token, ownToken)
      } catch (error) {
        // Whoever holds its lock has the job. If nobody does it expires, and the job is delivered again.
        options.onTrouble({ class: options.class, error: errorMessage(error) })
        return null
      }
    },
  }
}
