import { execFile } from 'node:child_process'

export interface CommandResult {
  readonly ok: boolean
  /** What it wrote, standard output then error, the last 4,000 characters of each. */
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end. Not found, failed, or over its time: `ok` is false. Never rejects. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly timeoutMs: number; readonly workingDir?: string },
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const settings = {
      env: options.env,
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL' as const,
      cwd: options.workingDir,
      maxBuffer: 8 * 1024 * 1024,
    }
    execFile(command, args, settings, (error, stdout, stderr) => {
      resolve({ ok: error === null, stdout, stderr: error && stderr === '' ? error.message : stderr })
    })
  })
}
