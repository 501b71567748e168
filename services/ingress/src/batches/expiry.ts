/** As at OpenAI: 30 days. */
const batchFileSeconds = 30 * 86_400

/**
 * When a file expires, in ms; null: never. `ttlSeconds` is what the configuration says for files that say nothing
 * themselves: 0 is never, undefined leaves it to the purpose.
 */
export function expiryOf(
  file: { readonly purpose: string; readonly createdAt: number; readonly expiresAfterSeconds: number | null },
  ttlSeconds: number | undefined,
): number | null {
  const usual = file.purpose === 'batch' || file.purpose === 'batch_output' ? batchFileSeconds : 0
  const seconds = file.expiresAfterSeconds ?? ttlSeconds ?? usual
  return seconds === 0 ? null : file.createdAt + seconds * 1000
}
