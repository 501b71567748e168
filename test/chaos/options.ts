import { parseArgs } from 'node:util'
import { faultsNamed } from './faults/index.ts'

/** What the command line asks for. */
export type Command =
  | {
      readonly kind: 'run'
      readonly minutes: number
      /** Undefined: any. */
      readonly seed: number | undefined
      /** Undefined: all that are possible. */
      readonly faults: readonly string[] | undefined
      readonly workers: number | undefined
      /** Where the code of the services lies. Undefined: this checkout. */
      readonly root: string | undefined
      readonly jsonFile: string | undefined
      readonly markdownFile: string | undefined
    }
  | {
      readonly kind: 'planted'
      readonly seed: number | undefined
      /** Undefined: all. */
      readonly bugs: readonly string[] | undefined
    }
  | { readonly kind: 'list' }
  | { readonly kind: 'help' }

export const usage = `npm run chaos -- --minutes 20 --seed 7      faults by a schedule that follows from the seed
  --minutes N               how long the load runs (default 5)
  --seed S                  a whole number; default: any, and told
  --faults a,b              only these
  --workers N               default 2
  --root FOLDER             the services of another checkout
  --json FILE               the result, for a program
  --markdown FILE           the tables, for a page
npm run chaos -- --list                     what can go wrong
npm run chaos -- --planted                  whether the rules catch bugs that are planted in the product, one after the other
  --bugs a,b                only these
`

/** Throws, with what is wrong, for arguments it cannot use. */
export function parseCommand(args: readonly string[]): Command {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string' },
      faults: { type: 'string' },
      workers: { type: 'string' },
      root: { type: 'string' },
      json: { type: 'string' },
      markdown: { type: 'string' },
      planted: { type: 'boolean', default: false },
      bugs: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return { kind: 'help' }
  if (values.list) return { kind: 'list' }
  const seed = values.seed === undefined ? undefined : wholeOf(values.seed, '--seed', { min: 0, max: 2 ** 31 - 1 })
  if (values.planted) return { kind: 'planted', seed, bugs: namesOf(values.bugs) }
  if (values.bugs !== undefined) throw new Error('--bugs goes with --planted')
  const names = namesOf(values.faults)
  if (names !== undefined) faultsNamed(names)
  if (names?.length === 0) throw new Error('--faults names none')
  return {
    kind: 'run',
    minutes: numberOf(values.minutes, '--minutes', { min: 0.5, max: 1_440 }),
    seed,
    faults: names,
    workers: values.workers === undefined ? undefined : wholeOf(values.workers, '--workers', { min: 1, max: 32 }),
    root: values.root,
    jsonFile: values.json,
    markdownFile: values.markdown,
  }
}

/** The command line that runs the same again. */
export function commandLine(command: Extract<Command, { kind: 'run' }>, seed: number): string {
  const { minutes, faults, workers, root } = command
  const further = [
    ...(faults === undefined ? [] : ['--faults', faults.join(',')]),
    ...(workers === undefined ? [] : ['--workers', workers]),
    ...(root === undefined ? [] : ['--root', root]),
  ]
  return ['npm run chaos -- --minutes', minutes, '--seed', seed, ...further].join(' ')
}

function namesOf(list: string | undefined): readonly string[] | undefined {
  return list?.split(',').filter((name) => name !== '')
}

interface Bounds {
  readonly min: number
  readonly max: number
}

function numberOf(text: string, what: string, { min, max }: Bounds): number {
  const number = Number(text)
  if (text.trim() !== '' && number >= min && number <= max) return number
  throw new Error(`${what} must be a number from ${min} to ${max}, not "${text}"`)
}

function wholeOf(text: string, what: string, bounds: Bounds): number {
  const number = numberOf(text, what, bounds)
  if (Number.isInteger(number)) return number
  throw new Error(`${what} must be a whole number, not "${text}"`)
}
