import { hash } from 'node:crypto'
import { waitingTime } from './weighted-order.ts'

interface Share {
  readonly model: string
  readonly weight: number
}

/**
 * One of the shares, by weight; undefined of none. The same salt and subject give the same share everywhere and at any
 * time (weighted rendezvous hashing: each share draws its lot from the hash of itself and the subject), and when weights
 * change, nobody moves except to a share that has grown, or away from one that has shrunk.
 */
export function chooseShare<T extends Share>(shares: readonly T[], salt: string, subject: string): T | undefined {
  return lowest(shares, ({ model }) => {
    const digest = hash('sha256', JSON.stringify([salt, subject, model]), 'buffer')
    return digest.readUIntBE(0, 6) / 2 ** 48
  })
}

/** One of the shares at random, by weight. */
export function drawShare<T extends Share>(shares: readonly T[], random: () => number): T | undefined {
  return lowest(shares, random)
}

function lowest<T extends Share>(shares: readonly T[], lot: (share: T) => number): T | undefined {
  let chosen: T | undefined
  let shortest = Number.POSITIVE_INFINITY
  for (const share of shares) {
    const time = waitingTime(share.weight, () => lot(share))
    if (time >= shortest) continue
    chosen = share
    shortest = time
  }
  return chosen
}
