/**
 * A limit as shares of several fetchers. Each keeps the share it had, so that no new one is given what runs at another: what is new
 * goes to the smallest share, what is gone comes from the largest. `before` has zeros for those that are new.
 */
export function spreadLimit(limit: number, before: readonly number[]): readonly number[] {
  const shares = [...before]
  let left = limit - shares.reduce((sum, share) => sum + share, 0)
  while (left !== 0 && shares.length > 0) {
    const step = Math.sign(left)
    const extreme = step > 0 ? Math.min(...shares) : Math.max(...shares)
    shares[shares.indexOf(extreme)] = extreme + step
    left -= step
  }
  return shares
}
