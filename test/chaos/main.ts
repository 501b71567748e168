import { randomInt } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { faults } from './faults/index.ts'
import { type Command, commandLine, parseCommand, usage } from './options.ts'

const exitCodes = { kept: 0, broken: 1, usage: 64, interrupted: 130 }

function main(args: readonly string[]): Promise<number> | number {
  let command: Command
  try {
    command = parseCommand(args)
  } catch (error) {
    process.stderr.write(`chaos: ${error instanceof Error ? error.message : error}\n\n${usage}`)
    return exitCodes.usage
  }
  switch (command.kind) {
    case 'run':
      return run(command)
    case 'planted':
      return runWithPlanted(command)
    case 'list': {
      const width = Math.max(...faults.map(({ name }) => name.length))
      for (const { name, description } of faults) process.stdout.write(`${name.padEnd(width)}  ${description}\n`)
      return exitCodes.kept
    }
    case 'help':
      process.stdout.write(usage)
      return exitCodes.kept
    default:
      return command satisfies never
  }
}

async function run(command: Extract<Command, { kind: 'run' }>): Promise<number> {
  const { minutes, faults: names, workers, root, jsonFile, markdownFile } = command
  const seed = command.seed ?? randomInt(2 ** 31 - 1)
  const again = commandLine(command, seed)
  const logFolder = join(import.meta.dirname, '../../.inferq/chaos', new Date().toISOString().replaceAll(/[:.]/g, '-'))
  const interrupted = onInterrupt()
  process.stderr.write(`${again}\n`)
  try {
    const { runChaos } = await import('./run/run-chaos.ts')
    const { renderReport } = await import('./run/report.ts')
    const result = await runChaos({
      seed,
      durationMs: minutes * 60_000,
      ...(names === undefined ? {} : { faults: names }),
      system: { ...(workers === undefined ? {} : { workers }), ...(root === undefined ? {} : { root: resolve(root) }) },
      onLine: tell,
      logFolder,
      signal: interrupted,
    })
    const report = renderReport(result, again)
    process.stdout.write(`\n${report}\n`)
    if (jsonFile !== undefined) writeFileSync(jsonFile, `${JSON.stringify(result, null, 2)}\n`)
    if (markdownFile !== undefined) writeFileSync(markdownFile, `${report}\n`)
    if (result.violations.length === 0) return exitCodes.kept
    process.stdout.write(`\nLogs: ${logFolder}\n`)
    return exitCodes.broken
  } catch (error) {
    process.stderr.write(`chaos: ${error instanceof Error ? error.message : error}\n`)
    if (interrupted.aborted) return exitCodes.interrupted
    if (existsSync(logFolder)) process.stderr.write(`Logs: ${logFolder}\n`)
    process.stderr.write(`To run it again: ${again}\n`)
    return exitCodes.broken
  }
}

async function runWithPlanted({ seed = 1, bugs: names }: Extract<Command, { kind: 'planted' }>): Promise<number> {
  const signal = onInterrupt()
  try {
    const { runPlanted } = await import('./planted/run-planted.ts')
    const { isRight, text } = await runPlanted({
      ...(names === undefined ? {} : { names }),
      seed,
      onLine: tell,
      signal,
    })
    process.stdout.write(`\n${text}\n`)
    return isRight ? exitCodes.kept : exitCodes.broken
  } catch (error) {
    process.stderr.write(`chaos: ${error instanceof Error ? error.message : error}\n`)
    return signal.aborted ? exitCodes.interrupted : exitCodes.broken
  }
}

function onInterrupt(): AbortSignal {
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => interrupted.abort(new Error(`ended by ${signal}`)))
  }
  return interrupted.signal
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`)
}

process.exitCode = await main(process.argv.slice(2))
