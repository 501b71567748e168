import { CommandError, exitCodes } from '../exit-codes.ts'

/** A program to start, as `OLLAMA_HOST=127.0.0.1:8100 ollama serve` says it. */
export interface CommandLine {
  readonly variables: Readonly<Record<string, string>>
  readonly program: string
  readonly args: readonly string[]
}

/**
 * Reads a command line as a shell would, as far as quotes, backslashes and variables before the program go. No shell runs:
 * nothing else in it has a meaning, and the program itself gets the signals. Throws CommandError 64.
 */
export function parseCommandLine(text: string): CommandLine {
  const words = splitWords(text)
  const first = words.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word))
  const program = words[first]
  if (program === undefined) throw wrong(text, 'it names no program')
  const pairs = words
    .slice(0, first)
    .map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)])
  return { variables: Object.fromEntries(pairs), program, args: words.slice(first + 1) }
}

/** Puts values in the place of `{gpu}` and `{port}`; other braces stay, as JSON has them. */
export function fillPlaces(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole)
}

function splitWords(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quote: string | undefined
  for (let at = 0; at < text.length; at++) {
    const letter = text[at] ?? ''
    if (letter === '\\' && quote !== "'") {
      word = (word ?? '') + (text[++at] ?? '')
    } else if (quote !== undefined) {
      if (letter === quote) quote = undefined
      else word = (word ?? '') + letter
    } else if (letter === '"' || letter === "'") {
      quote = letter
      word ??= ''
    } else if (/\s/.test(letter)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? '') + letter
    }
  }
  if (quote !== undefined) throw wrong(text, `a ${quote} is not closed`)
  return word === undefined ? words : [...words, word]
}

function wrong(text: string, why: string): CommandError {
  return new CommandError(exitCodes.usage, `"${text}" is no command: ${why}`)
}
