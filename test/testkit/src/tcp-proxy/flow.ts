import type { Socket } from 'node:net'

/** One direction of a connection through the proxy. */
export interface Flow {
  /** From now on what comes arrives later by so much; 0: at once, and so does what still waits. */
  setDelay(delayMs: number): void
  /** From now on what comes is taken and thrown away, and so is what still waits; or no longer. */
  swallow(swallows: boolean): void
  /** Something was thrown away: what would follow would be read as something else. */
  readonly hasLost: boolean
  /** Lets go of what waits. */
  stop(): void
}

interface Entry {
  readonly bytes: Buffer | 'end'
  readonly dueAt: number
}

/** Beyond it the sender waits, as it would for a slow network. */
const mostWaitingBytes = 4 * 1024 * 1024

/** Carries what `from` says to `to`, in its order, its end included. */
export function createFlow(from: Socket, to: Socket): Flow {
  const waiting: Entry[] = []
  let waitingBytes = 0
  let delayMs = 0
  let swallows = false
  let hasLost = false
  let timer: NodeJS.Timeout | undefined

  const regulate = (): void => {
    const full = waitingBytes > mostWaitingBytes || to.writableNeedDrain
    if (full && !swallows) from.pause()
    else from.resume()
  }
  const say = (bytes: Buffer | 'end'): void => {
    if (to.destroyed || to.writableEnded) return
    if (bytes === 'end') to.end()
    else to.write(bytes)
  }
  const take = (bytes: Buffer | 'end'): void => {
    if (swallows) {
      hasLost = true
      return
    }
    if (delayMs === 0 && waiting.length === 0) say(bytes)
    else {
      waiting.push({ bytes, dueAt: performance.now() + delayMs })
      waitingBytes += bytes.length
      arm()
    }
    regulate()
  }
  const arm = (): void => {
    const [first] = waiting
    if (timer !== undefined || first === undefined) return
    timer = setTimeout(sayDue, Math.max(1, Math.ceil(first.dueAt - performance.now())))
  }
  const sayDue = (): void => {
    clearTimeout(timer)
    timer = undefined
    const now = performance.now()
    while (waiting[0] !== undefined && (delayMs === 0 || waiting[0].dueAt <= now)) {
      const { bytes } = waiting[0]
      waiting.shift()
      waitingBytes -= bytes.length
      say(bytes)
    }
    arm()
    regulate()
  }
  const drop = (): boolean => {
    clearTimeout(timer)
    timer = undefined
    waitingBytes = 0
    return waiting.splice(0).length > 0
  }

  from.on('data', take)
  from.on('end', () => take('end'))
  to.on('drain', regulate)
  return {
    setDelay(ms) {
      delayMs = ms
      if (ms === 0) sayDue()
    },
    swallow(does) {
      swallows = does
      if (does && drop()) hasLost = true
      regulate()
    },
    get hasLost() {
      return hasLost
    },
    stop: () => void drop(),
  }
}
