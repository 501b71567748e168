/**
 * Waits for a condition by looking every few milliseconds; throws when it does not come true in time. The time is for what
 * never comes true: on a busy machine, what will come true may take long.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  {
    timeoutMs = 30_000,
    everyMs = 5,
    what = condition.toString(),
  }: { timeoutMs?: number; everyMs?: number; what?: string } = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const value = await condition()
    if (value) return value
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
