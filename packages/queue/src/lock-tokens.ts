/**
 * What holds a job's lock. A token begins with the id of the BullMQ Worker whose job it is, however the job came to it, so
 * that a lost lock is told to that Worker's run alone.
 */

const guestMark = ':guest'

/** Of the nth job that was handed over to this Worker. */
export function guestToken(workerId: string, n: number): string {
  return `${workerId}${guestMark}${n}`
}

/** Of the nth job that this Worker may keep, once it was on offer to another. */
export function keptToken(workerId: string, n: number): string {
  return `${workerId}:kept${n}`
}

/** Whether this is the token of a job that was handed over. */
export function isGuest(token: string): boolean {
  return token.includes(guestMark)
}
