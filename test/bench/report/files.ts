import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { BenchReport } from './results.ts'

export function writeReport(file: string, report: BenchReport): void {
  writeText(file, `${JSON.stringify(report, rounded)}\n`)
}

/** Throws when the file is no run of this bench. */
export function readReport(file: string): BenchReport {
  const report = JSON.parse(readFileSync(file, 'utf8')) as BenchReport
  if (report.format !== 1 || !Array.isArray(report.cells)) throw new Error(`${file} is not a run of this bench`)
  return report
}

export function writeText(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** Nanoseconds and bytes of memory are noise; the file stays a fifth of its size. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value
}
