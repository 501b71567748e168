/** What a page says is answered: the fenced block after a command, whose first line is `json 200` or `text 200`. */
export interface DocumentedAnswer {
  readonly kind: 'json' | 'text'
  readonly status: number
  readonly text: string
}

/** A ```sh block with a curl command. */
export interface DocExample {
  /** The heading it stands under. */
  readonly heading: string
  /** Of its first command, from 1. */
  readonly line: number
  readonly commands: string
  /** Undefined where the page shows no answer. */
  readonly answer: DocumentedAnswer | undefined
  /** Why it cannot run: the text of a `<!-- not run: … -->` before the block. */
  readonly notRun: string | undefined
}

/** The curl examples of a Markdown page, in order. */
export function parseDocExamples(markdown: string): readonly DocExample[] {
  const examples: DocExample[] = []
  const lines = markdown.split('\n')
  let heading = ''
  let notRun: string | undefined
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? ''
    heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading
    notRun = /^<!-- not run: (.*) -->$/.exec(line)?.[1] ?? notRun
    const info = /^```(.+)$/.exec(line)?.[1]
    if (info === undefined) continue
    const end = lines.indexOf('```', index + 1)
    const text = lines.slice(index + 1, end).join('\n')
    const [, kind, status] = /^(json|text) (\d{3})$/.exec(info) ?? []
    const last = examples.at(-1)
    if (info === 'sh') {
      if (/^curl /m.test(text)) {
        examples.push({ heading, line: index + 2, commands: text, answer: undefined, notRun })
      }
      notRun = undefined
    } else if (last !== undefined && last.answer === undefined && (kind === 'json' || kind === 'text')) {
      examples[examples.length - 1] = { ...last, answer: { kind, status: Number(status), text } }
    }
    index = end
  }
  return examples
}

/**
 * How an answer differs from what is documented of it; nothing when it does not. `…` stands for any text.
 * JSON: an object may have more fields, a list more items; a number stands for any number. Text: the documented lines, in
 * order, maybe with others between them.
 */
export function differences(documented: DocumentedAnswer, body: string): readonly string[] {
  if (documented.kind === 'text') return linesMissing(documented.text.split('\n'), body.split('\n'))
  let answered: unknown
  try {
    answered = JSON.parse(body)
  } catch {
    return [`not JSON: ${body.slice(0, 200)}`]
  }
  return valueDiffers(JSON.parse(documented.text), answered, '$')
}

function linesMissing(documented: readonly string[], answered: readonly string[]): readonly string[] {
  let from = 0
  for (const line of documented) {
    const found = answered.findIndex((one, index) => index >= from && patternOf(line).test(one.trimEnd()))
    if (found === -1) return [`no line like: ${line}`]
    from = found + 1
  }
  return []
}

function valueDiffers(documented: unknown, answered: unknown, path: string): readonly string[] {
  if (typeof documented === 'string' && typeof answered === 'string') {
    return patternOf(documented).test(answered)
      ? []
      : [`${path}: ${JSON.stringify(answered)} is not like ${documented}`]
  }
  if (typeof documented === 'number' && typeof answered === 'number') return []
  if (Array.isArray(documented) && Array.isArray(answered)) {
    return documented.flatMap((item, index) => valueDiffers(item, answered[index], `${path}[${index}]`))
  }
  if (isObject(documented) && isObject(answered)) {
    return Object.entries(documented).flatMap(([name, value]) => valueDiffers(value, answered[name], `${path}.${name}`))
  }
  return documented === answered
    ? []
    : [`${path}: ${JSON.stringify(answered)?.slice(0, 200)} is not ${JSON.stringify(documented)}`]
}

function patternOf(text: string): RegExp {
  const parts = text.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`, 's')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
