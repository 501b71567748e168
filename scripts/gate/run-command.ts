import { spawn } from 'node:child_process'
import { delimiter, dirname, join } from 'node:path'

export interface Outcome {
  readonly passed: boolean
  /** What the program printed; empty when it was shown directly. */
  readonly output: string
}

interface Options {
  /** Print to this process's own output instead of keeping it. */
  readonly show?: boolean
  readonly environment?: Readonly<Record<string, string>>
}

/** Runs one of the programs in node_modules/.bin under this Node, and passes SIGINT and SIGTERM on. Never rejects. */
export function runCommand(
  root: string,
  program: string,
  args: readonly string[],
  options: Options = {},
): Promise<Outcome> {
  const bin = join(root, 'node_modules', '.bin')
  const path = [bin, dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter)
  return new Promise((resolve) => {
    const child = spawn(join(bin, program), args, {
      cwd: root,
      env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', ...options.environment, PATH: path },
      stdio: options.show ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    })
    const chunks: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk))

    const stop = (signal: NodeJS.Signals): void => {
      if (!(signal === 'SIGINT' && process.stdin.isTTY)) child.kill(signal)
    }
    process.on('SIGINT', stop)
    process.on('SIGTERM', stop)
    const end = (outcome: Outcome): void => {
      process.removeListener('SIGINT', stop)
      process.removeListener('SIGTERM', stop)
      resolve(outcome)
    }
    child.once('error', (error) => end({ passed: false, output: `cannot run ${program}: ${error.message}` }))
    child.once('close', (code) => end({ passed: code === 0, output: Buffer.concat(chunks).toString('utf8') }))
  })
}
