import { InvalidArgumentError, Option } from 'commander'

// What commands have in common: options, and how their values are read.

export function examples(...lines: readonly string[]): string {
  return ['', lines.length === 1 ? 'Example:' : 'Examples:', ...lines.map((line) => `  $ ${line}`), ''].join('\n')
}

export function portOption(): Option {
  return new Option('--port <port>', 'port to listen on (default: 4000, or PORT)').argParser(wholeNumber(0, 65_535))
}

export function hostOption(): Option {
  return new Option('--host <address>', 'address to listen on (default: 127.0.0.1, or INFERQ_HOST)')
}

export function configOption(): Option {
  return new Option('--config <file>', 'configuration (default: inferq.yaml if there is one, or INFERQ_CONFIG)')
}

export function urlOption(): Option {
  return new Option('--url <url>', 'the ingress to ask (default: http://127.0.0.1:4000, or INFERQ_HOST and PORT)')
}

export function keyOption(): Option {
  return new Option('--key <key>', 'the API key to ask with (default: INFERQ_MASTER_KEY, or the development key)')
}

export function headerPair(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const [, name, value] = /^([\w-]+)[=:]\s*(.*)$/.exec(text) ?? []
  if (name === undefined || value === undefined) throw new InvalidArgumentError('expected name=value')
  return { ...before, [name.toLowerCase()]: value }
}

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (number >= min && number <= max) return number
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}`)
  }
}

export function nameList(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  if (names.every((name) => name !== '')) return names
  throw new InvalidArgumentError('expected names separated by commas')
}
