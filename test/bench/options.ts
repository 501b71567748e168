import { parseArgs } from 'node:util'
import { type GpuCell, gpuCells } from './gpu/cells.ts'
import { type TargetName, targetNames } from './targets/target.ts'

/** What the command line asks for. */
export type Command =
  | {
      readonly kind: 'run'
      readonly quick: boolean
      /** Targets on one core, upstream and load generator on another. */
      readonly pin: boolean
      readonly cells: readonly string[]
      readonly targets: readonly TargetName[]
      readonly out: string | undefined
      readonly databaseUrl: string | undefined
      /** Of the growth cell; undefined: what the extent says. */
      readonly requests: number | undefined
    }
  | { readonly kind: 'report'; readonly file: string; readonly out: string | undefined }
  | {
      readonly kind: 'compare'
      readonly base: string
      readonly cell: string
      readonly rounds: number
      readonly seconds: number
    }
  | { readonly kind: 'profile'; readonly cell: string; readonly seconds: number; readonly out: string | undefined }
  | { readonly kind: 'durability'; readonly rounds: number; readonly seconds: number }
  | { readonly kind: 'routing' }
  | { readonly kind: 'validation' }
  | { readonly kind: 'batch' }
  | {
      readonly kind: 'fleet'
      readonly gpus: number
      readonly tenants: number
      readonly jobs: number
      readonly loads: readonly number[]
      readonly seed: number
      /** Arrivals from a file instead of the seed. */
      readonly trace: string | undefined
      readonly out: string | undefined
    }
  | { readonly kind: 'gpu'; readonly cells: readonly GpuCell[]; readonly out: string | undefined }
  | { readonly kind: 'load' }
  | { readonly kind: 'pass-through'; readonly port: number; readonly upstreamUrl: string }
  | { readonly kind: 'help' }

export const usage = `npm run bench                               every cell, against every target that can be had
npm run bench -- --quick                    the same, short: for a look
  --cell c128,first-token                   only these cells
  --targets direct,inferq                   only these targets (${targetNames.join(', ')})
  --pin                                     each target's whole stack on one core, all else on another
  --requests 1000000                        how many the growth cell sends
  --out FILE                                where the JSON goes (default: .inferq/bench/<time>.json)
  --database-url URL                        a Postgres instead of the embedded one; it keeps what is written to it
npm run bench -- report FILE                writes docs/benchmarks.md from a run's JSON (--out: elsewhere)
npm run bench -- compare --base REF|FOLDER  this checkout against another one, in turns
  --rounds 6 --seconds 3 --cell c128       many short rounds cancel a busy machine best
npm run bench -- profile                    where ingress and worker spend their time under load
  --seconds 8 --cell c128 --out FOLDER
npm run bench -- routing                    what a routing decision takes: 1,000 deployments, 100 rules
npm run bench -- validation                 what it takes to read and check a request's body
npm run bench -- durability                 submits committed and outcomes recorded a second, on PostgreSQL
  --rounds 3 --seconds 8
npm run bench -- batch                      50,000 lines: until they run, memory, and what they do to others
npm run bench -- gpu                        workers before simulated GPUs: gate, shares, batches, embeddings, swaps
  --cell gate,swaps --out FILE              only these cells; the report as Markdown
npm run bench -- fleet                      policies compared on simulated GPUs, in virtual time
  --gpus 100 --tenants 50 --jobs 300000 --load 0.9,1.3 --seed 1
  --trace FILE                              arrivals from a file, a JSON object a line, on --gpus
  --out FILE                                the report as Markdown
`

/** Throws, with what is wrong, for arguments it cannot use. */
export function parseCommand(args: readonly string[]): Command {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      pin: { type: 'boolean', default: false },
      cell: { type: 'string', multiple: true, default: [] },
      targets: { type: 'string', multiple: true, default: [] },
      out: { type: 'string' },
      'database-url': { type: 'string' },
      base: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      gpus: { type: 'string' },
      tenants: { type: 'string' },
      jobs: { type: 'string' },
      requests: { type: 'string' },
      load: { type: 'string', multiple: true, default: [] },
      seed: { type: 'string' },
      trace: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const [kind = 'run', ...rest] = positionals
  const cells = split(values.cell)
  if (values.help) return { kind: 'help' }
  switch (kind) {
    case 'run':
      return {
        kind,
        quick: values.quick,
        pin: values.pin,
        cells,
        targets: parseTargets(split(values.targets)),
        out: values.out,
        databaseUrl: values['database-url'],
        requests: values.requests === undefined ? undefined : parseCount(values.requests, '--requests'),
      }
    case 'report':
      return { kind, file: required(rest[0], 'report FILE'), out: values.out }
    case 'compare':
      return {
        kind,
        base: required(values.base, '--base'),
        cell: cells[0] ?? 'c128',
        rounds: parseNumber(values.rounds ?? '6', '--rounds'),
        seconds: parseNumber(values.seconds ?? '3', '--seconds'),
      }
    case 'profile':
      return {
        kind,
        cell: cells[0] ?? 'c128',
        seconds: parseNumber(values.seconds ?? '8', '--seconds'),
        out: values.out,
      }
    case 'durability':
      return {
        kind,
        rounds: parseNumber(values.rounds ?? '3', '--rounds'),
        seconds: parseNumber(values.seconds ?? '8', '--seconds'),
      }
    case 'fleet': {
      const loads = split(values.load).map((load) => parseNumber(load, '--load'))
      return {
        kind,
        gpus: parseCount(values.gpus ?? '100', '--gpus'),
        tenants: parseCount(values.tenants ?? '50', '--tenants'),
        jobs: parseCount(values.jobs ?? '300000', '--jobs'),
        loads: loads.length > 0 ? loads : [0.9, 1.3],
        seed: parseCount(values.seed ?? '1', '--seed'),
        trace: values.trace,
        out: values.out,
      }
    }
    case 'gpu':
      return { kind, cells: parseGpuCells(cells), out: values.out }
    case 'routing':
    case 'validation':
    case 'batch':
    case 'load':
      return { kind }
    case 'pass-through':
      return { kind, port: parseNumber(rest[0] ?? '', 'port'), upstreamUrl: required(rest[1], 'upstream URL') }
    default:
      throw new Error(`unknown command "${kind}"`)
  }
}

function split(values: readonly string[]): string[] {
  return values.flatMap((value) => value.split(',')).filter((name) => name !== '')
}

function parseTargets(names: readonly string[]): TargetName[] {
  const unknown = names.filter((name) => !targetNames.some((target) => target === name))
  if (unknown.length > 0) throw new Error(`no target ${unknown.join(', ')}; there are ${targetNames.join(', ')}`)
  return targetNames.filter((target) => names.length === 0 || names.includes(target))
}

function parseGpuCells(names: readonly string[]): GpuCell[] {
  const unknown = names.filter((name) => !gpuCells.some((cell) => cell === name))
  if (unknown.length > 0) throw new Error(`no cell ${unknown.join(', ')}; there are ${gpuCells.join(', ')}`)
  return gpuCells.filter((cell) => names.includes(cell))
}

function parseNumber(text: string, what: string): number {
  const number = Number(text)
  if (text !== '' && number > 0 && number <= 65_535) return number
  throw new Error(`${what} must be a number above 0`)
}

function parseCount(text: string, what: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number > 0 && number <= 10_000_000) return number
  throw new Error(`${what} must be a whole number above 0, at most 10,000,000`)
}

function required(value: string | undefined, what: string): string {
  if (value === undefined) throw new Error(`${what} is missing`)
  return value
}
