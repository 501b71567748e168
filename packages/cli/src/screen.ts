import { createService, type Service } from '@inferq/runtime'
import { toCommandError } from './failures.ts'

/** What the user sees of a start: a line for every part as it comes up, or why it does not and what to do. */
export interface Screen {
  line(text?: string): void
  /** The same service, whose start says that it is up, where, and when. `describe` is asked once it is. */
  part(label: string, service: Service, describe: () => string): Service
  /** Something the user should know, which stops nothing. */
  notice(label: string, text: string): void
}

export interface ScreenOptions {
  readonly write: (text: string) => void
  /** Milliseconds since the start of the process. */
  readonly monotonic: () => number
}

const labelWidth = 12

export function createScreen({ write, monotonic }: ScreenOptions): Screen {
  const told = new WeakSet<object>()
  const line = (text = ''): void => write(`${text}\n`)
  const labelled = (label: string, text: string): void => line(`  ${label.padEnd(labelWidth)}${text}`)

  const failed = (label: string, thrown: unknown): void => {
    // A part that waits for another fails with the other's error: said once is enough.
    if (typeof thrown === 'object' && thrown !== null) {
      if (told.has(thrown)) return
      told.add(thrown)
    }
    const { message, mend } = toCommandError(thrown)
    labelled(label, `failed: ${message}`)
    if (mend !== undefined) labelled('', `→ ${mend}`)
  }

  return {
    line,
    notice: labelled,
    part(label, service, describe) {
      const { quiet } = service
      return createService({
        name: service.name,
        async start() {
          try {
            await service.start()
          } catch (thrown) {
            failed(label, thrown)
            throw thrown
          }
          labelled(label, `${describe()}  (${seconds(monotonic())})`)
        },
        ...(quiet === undefined ? {} : { quiet: () => quiet.call(service) }),
        stop: (deadline) => service.stop(deadline),
      })
    },
  }
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
