import { randomBytes } from 'node:crypto'
import type { RedisKeys } from '@inferq/contracts'
import { type Clock, createService, type Log, type Service } from '@inferq/runtime'
import type { Redis } from 'ioredis'
import { type ClaimLock, createClaimLock } from './claim-lock.ts'

/** A job that a worker has fetched, and another should rather run. */
export interface HandoverOffer {
  readonly class: string
  readonly bullId: string
  /** Of the lock that the offering worker holds. Who puts its own in its place has the job. */
  readonly token: string
}

/** `silent`: nothing was heard in time, and the other may still take it. */
export type HandoverReply = 'taken' | 'refused' | 'silent'

/** Takes part in a worker's jobs of one class. Calls `taken` as soon as it has the job; false: it never will. */
export type OfferTaker = (offer: HandoverOffer, taken: () => void) => Promise<boolean>

/** Offers jobs to other workers, and hears what they offer to this one. */
export interface Handover extends Service {
  /** Never longer than the spill-over time. Never rejects. */
  offer(workerId: string, offer: HandoverOffer): Promise<HandoverReply>
  /** Hears the offers of a class until the function it gives is called. One taker a class. */
  listen(modelClass: string, taker: OfferTaker): () => void
  /** Makes the lock of an offered job one's own, by its key; false when another has it. */
  readonly claim: ClaimLock
  /** How long an offer stands, ms; 0: none are made. */
  readonly spillMs: number
}

export interface HandoverOptions {
  readonly workerId: string
  readonly redis: Redis
  /** May have other subscriptions too. */
  readonly subscriber: Redis
  readonly keys: RedisKeys
  /** Looked up for every offer. */
  spillMs(): number
  readonly clock: Clock
  readonly log: Log
}

type Message =
  | ({ readonly kind: 'offer'; readonly from: string; readonly id: string } & HandoverOffer)
  | { readonly kind: 'taken' | 'refused'; readonly id: string }

/**
 * Messages alone: who has a job is decided by its lock (`claimLock`). So a message that is lost, late or doubled changes
 * nothing but where a job runs.
 */
export function createHandover(options: HandoverOptions): Handover {
  const { workerId, redis, subscriber, keys, clock, log } = options
  const channel = keys.handovers(workerId)
  const claim = createClaimLock(redis)
  const takers = new Map<string, OfferTaker>()
  const waiting = new Map<string, (reply: HandoverReply) => void>()
  const own = randomBytes(6).toString('base64url')
  let count = 0

  const send = (to: string, message: Message): Promise<number> =>
    redis.publish(keys.handovers(to), JSON.stringify(message))

  const answer = ({ from, id, ...offer }: Message & { readonly kind: 'offer' }): void => {
    const reply = (kind: 'taken' | 'refused'): void => {
      send(from, { kind, id }).catch((): void => {})
    }
    const taker = takers.get(offer.class) ?? (async () => false)
    taker(offer, () => reply('taken')).then(
      (took) => {
        if (!took) reply('refused')
      },
      (error: unknown) => log.warn({ class: offer.class, error }, 'handover-failed'),
    )
  }

  const onMessage = (from: string, text: string): void => {
    if (from !== channel) return
    const message = JSON.parse(text) as Message
    if (message.kind === 'offer') answer(message)
    else waiting.get(message.id)?.(message.kind)
  }

  const service = createService({
    name: 'handover',
    async start() {
      subscriber.on('message', onMessage)
      await subscriber.subscribe(channel)
    },
    async stop() {
      subscriber.off('message', onMessage)
      await subscriber.unsubscribe(channel).catch((): number => 0)
    },
  })

  return {
    ...service,
    async offer(to, offer) {
      const id = `${own}${count++}`
      const replied = Promise.withResolvers<HandoverReply>()
      waiting.set(id, replied.resolve)
      const over = new AbortController()
      const late = clock.sleep(options.spillMs(), over.signal).then(
        (): HandoverReply => 'silent',
        (): HandoverReply => 'silent',
      )
      // Nobody there to hear it: no need to wait. (In a cluster it says so of one node alone, so it is no refusal.)
      const sent = send(to, { kind: 'offer', from: workerId, id, ...offer }).then(
        (heard) => (heard === 0 ? 'silent' : replied.promise),
        (): HandoverReply => 'silent',
      )
      const reply = await Promise.race([replied.promise, sent, late])
      over.abort()
      waiting.delete(id)
      return reply
    },
    listen(modelClass, taker) {
      takers.set(modelClass, taker)
      return () => void takers.delete(modelClass)
    },
    claim,
    get spillMs() {
      return options.spillMs()
    },
  }
}
