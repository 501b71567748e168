import type { ControllerParts } from './controller.ts'

/**
 * Keeps the numbers of who waits within what the queue can count. When a class is numbered anew everybody in it is, in this
 * turn and in the next: another process may have gone by the old numbers for a moment more.
 */
export function createRenumbering({
  shares,
  queue,
  config,
  log,
}: Pick<ControllerParts, 'shares' | 'queue' | 'config' | 'log'>): (signal: AbortSignal) => Promise<void> {
  /** By class: numbered from where, and whether everybody is known to be. */
  const numbered = new Map<string, { readonly base: number; readonly isSure: boolean }>()

  return async (signal) => {
    for (const modelClass of Object.keys(config().classes)) {
      signal.throwIfAborted()
      const base = await shares.rebase(modelClass)
      const before = numbered.get(modelClass)
      if (before?.base === base && before.isSure) continue
      const count = await queue.renumber(modelClass, signal)
      numbered.set(modelClass, { base, isSure: before?.base === base })
      if (count > 0) log.info({ class: modelClass, count }, 'jobs-renumbered')
    }
  }
}
