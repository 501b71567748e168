/** How the command ends, for scripts. 4 and 6 belong to commands that submit jobs. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  /** What was submitted failed, expired or was cancelled. */
  notCompleted: 2,
  configInvalid: 3,
  unreachable: 5,
  usage: 64,
} as const

/** Ends a command with a code, having something to tell. `mend`: what the user can do about it. */
export class CommandError extends Error {
  readonly exitCode: number
  readonly mend: string | undefined

  constructor(exitCode: number, message: string, mend?: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandError'
    this.exitCode = exitCode
    this.mend = mend
  }
}
