import { type ASTNode, Environment, ParseError, TypeError as TypeFault } from '@marcbachmann/cel-js'
import { didYouMean } from './suggest.ts'

/** A condition in CEL (https://cel.dev), checked and compiled, or what is wrong with it. */
export type Condition =
  | {
      readonly kind: 'condition'
      /**
       * Whether it holds. `facts` by the names of the variables; only those the condition comes to are read, so a getter
       * that costs something costs it when needed. What is missing counts as '' (0, an empty map or list, false). Never
       * throws: a condition that cannot be evaluated (a key that metadata does not have, a text compared with a number)
       * does not hold.
       */
      evaluate(facts: Readonly<Record<string, unknown>>): boolean
      /** It may read `tokens`. */
      readonly usesTokens: boolean
    }
  | { readonly kind: 'fault'; readonly message: string }

/** What a condition is about: a request before it is served, or an answer before it is shown. */
export type ConditionSubject = 'request' | 'answer'

const variables: Readonly<Record<ConditionSubject, Readonly<Record<string, VariableKind>>>> = {
  request: {
    user_tier: 'string',
    task_type: 'string',
    feature: 'string',
    team: 'string',
    user: 'string',
    key: 'string',
    model: 'string',
    operation: 'string',
    tokens: 'int',
    stream: 'bool',
    tags: 'list<string>',
    metadata: 'map<string, dyn>',
  },
  answer: { output: 'string', finish_reason: 'string', completion_tokens: 'int' },
}

type VariableKind = 'string' | 'int' | 'bool' | 'list<string>' | 'map<string, dyn>'

/** More than anyone writes by hand; it bounds what one request can cost. */
const limits = { maxAstNodes: 2_000, maxDepth: 60 }

/** Never throws. Unknown variables and results that cannot be true or false are faults. */
export function parseCondition(text: string, subject: ConditionSubject): Condition {
  const { environment, contextOf } = subjects[subject]
  try {
    const parsed = environment.parse(text)
    const { valid, type, error } = parsed.check()
    if (!valid) return { kind: 'fault', message: explain(error, subject) }
    if (type !== 'bool' && type !== 'dyn') return { kind: 'fault', message: `it gives a ${type}, not true or false` }
    return {
      kind: 'condition',
      evaluate(facts) {
        try {
          return parsed(contextOf(facts)) === true
        } catch {
          return false
        }
      },
      usesTokens: readsVariable(parsed.ast, 'tokens'),
    }
  } catch (thrown) {
    return { kind: 'fault', message: explain(thrown, subject) }
  }
}

/** Making an environment is slow; it is shared by all conditions, and nothing is added to it afterwards. */
const subjects = { request: createSubject('request'), answer: createSubject('answer') }

interface Subject {
  readonly environment: Environment
  /** Facts as the library wants them, each made when it is looked up: it looks variables up as properties. */
  contextOf(facts: Readonly<Record<string, unknown>>): object
}

function createSubject(subject: ConditionSubject): Subject {
  const environment = new Environment({ homogeneousAggregateLiterals: false, limits })
  // A class, for objects of one shape are made and read in a few nanoseconds.
  class Context {
    readonly facts: Readonly<Record<string, unknown>>
    constructor(facts: Readonly<Record<string, unknown>>) {
      this.facts = facts
    }
  }
  for (const [name, kind] of Object.entries(variables[subject])) {
    environment.registerVariable(name, kind)
    Object.defineProperty(Context.prototype, name, {
      get(this: Context) {
        return asKind(this.facts[name], kind)
      },
    })
  }
  return { environment, contextOf: (facts) => new Context(facts) }
}

function asKind(value: unknown, kind: VariableKind): unknown {
  switch (kind) {
    case 'string':
      return typeof value === 'string' ? value : ''
    case 'int':
      return typeof value === 'bigint' ? value : BigInt(Number.isFinite(value) ? Math.round(value as number) : 0)
    case 'bool':
      return value === true
    case 'list<string>':
      return Array.isArray(value) ? value : []
    case 'map<string, dyn>':
      return typeof value === 'object' && value !== null ? value : {}
    default:
      return kind satisfies never
  }
}

function explain(error: unknown, subject: ConditionSubject): string {
  if (!(error instanceof ParseError || error instanceof TypeFault)) return 'it cannot be read'
  const known = Object.keys(variables[subject])
  const name = /^Unknown variable: (\w+)$/.exec(error.summary)?.[1]
  const at = error.range === undefined ? '' : ` at character ${error.range.start + 1}`
  if (name === undefined) return `${error.summary}${at}`
  return [`unknown variable ${name}${at}; known are ${known.join(', ')}`, didYouMean(name, known)]
    .filter((part) => part !== undefined)
    .join('; ')
}

/** A variable of the same name that a macro such as `exists` binds counts too: better one look too many. */
function readsVariable(node: unknown, name: string): boolean {
  if (Array.isArray(node)) return node.some((part) => readsVariable(part, name))
  if (typeof node !== 'object' || node === null || !('op' in node) || !('args' in node)) return false
  const { op, args } = node as ASTNode
  return op === 'id' ? args === name : readsVariable(args, name)
}
