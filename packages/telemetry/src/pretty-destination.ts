import type { LogDestination } from './log-destination.ts'

const levelMarks: Readonly<Record<string, string>> = { debug: '·', info: ' ', warn: '!', error: '✗' }

/** For a terminal: `12:04:31.207   ingress job-end jobId=job_01… latencyMs=84`. A line that is not JSON passes as it is. */
export function createPrettyDestination(output: LogDestination): LogDestination {
  const { flush } = output
  return {
    write: (line) => output.write(prettyLine(line)),
    ...(flush ? { flush: () => flush() } : {}),
  }
}

function prettyLine(line: string): string {
  const parsed = parseObject(line)
  if (parsed === undefined) return line
  const { level, time, service, event, pid: _, ...facts } = parsed
  const clock = typeof time === 'number' ? new Date(time).toISOString().slice(11, 23) : '--:--:--.---'
  const words = Object.entries(facts).map(([name, value]) => `${name}=${formatValue(value)}`)
  const mark = levelMarks[String(level)] ?? ' '
  return `${[clock, mark, service, event, ...words].filter((part) => part !== undefined).join(' ')}\n`
}

function formatValue(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"=]+$/.test(value)) return value
  return JSON.stringify(value) ?? ''
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(line)
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : undefined
  } catch {
    return undefined
  }
}
