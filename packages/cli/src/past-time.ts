import { InvalidArgumentError } from 'commander'

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** `90m`, `2h`, `3d` before `now` (ms since the epoch), or a date as `2026-11-04T10:00Z`: Unix seconds. */
export function pastTime(text: string, _before?: unknown, now = Date.now()): number {
  const [, amount, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (amount !== undefined) return Math.max(0, now / 1000 - Number(amount) * (unitSeconds[unit] ?? 0))
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at) || at < 0) throw new InvalidArgumentError('expected a time as 90m, 2h, 3d or 2026-11-04T10:00Z')
  return at / 1000
}
