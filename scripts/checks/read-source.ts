import { parseSync, Visitor } from 'oxc-parser'

/** A module named by a source file: `import`, `export … from`, `import()`, `import('x').Type`, `require`, `import.meta.resolve`. */
export interface NamedModule {
  readonly specifier: string
  readonly line: number
}

export interface SourceFacts {
  readonly modules: readonly NamedModule[]
  /** Lines that read `process.env`, in any of its spellings. */
  readonly environmentLines: readonly number[]
  /** What the parser could not make sense of; facts of a file with errors are incomplete. */
  readonly errors: readonly string[]
}

/** Reads what the arrow rules need from one TypeScript or JavaScript file: from its syntax, so comments and strings do not count. */
export function readSource(fileName: string, text: string): SourceFacts {
  const parsed = parseSync(fileName, text)
  const modules: NamedModule[] = []
  const environmentLines: number[] = []
  const processNames = new Set(['process'])
  const lineOf = (offset: number): number => text.slice(0, offset).split('\n').length
  const name = (node: unknown, offset: number): void => {
    const specifier = literalText(node)
    if (specifier !== undefined) modules.push({ specifier, line: lineOf(offset) })
  }

  new Visitor({
    ImportDeclaration(node) {
      name(node.source, node.start)
      if (!isProcessModule(literalText(node.source))) return
      for (const entry of node.specifiers) {
        if (entry.type !== 'ImportSpecifier') processNames.add(entry.local.name)
        else if (isNamed(entry.imported, 'env')) environmentLines.push(lineOf(node.start))
      }
    },
    ExportNamedDeclaration(node) {
      name(node.source, node.start)
    },
    ExportAllDeclaration(node) {
      name(node.source, node.start)
    },
    ImportExpression(node) {
      name(node.source, node.start)
    },
    TSImportType(node) {
      name(node.source, node.start)
    },
    CallExpression(node) {
      const isRequire = isNamed(node.callee, 'require')
      const isResolve =
        node.callee.type === 'MemberExpression' &&
        node.callee.object.type === 'MetaProperty' &&
        isNamed(node.callee.property, 'resolve')
      if (isRequire || isResolve) name(node.arguments[0], node.start)
    },
    MemberExpression(node) {
      const property = node.computed ? literalText(node.property) === 'env' : isNamed(node.property, 'env')
      if (property && isProcess(node.object, processNames)) environmentLines.push(lineOf(node.start))
    },
    VariableDeclarator(node) {
      if (node.id.type !== 'ObjectPattern' || !isProcess(node.init, processNames)) return
      const takesEnvironment = node.id.properties.some(
        (entry) => entry.type === 'Property' && isNamed(entry.key, 'env'),
      )
      if (takesEnvironment) environmentLines.push(lineOf(node.start))
    },
  }).visit(parsed.program)

  return { modules, environmentLines, errors: parsed.errors.map((error) => error.message) }
}

/** `process` by one of its names in the file, or as a property (`globalThis.process`). */
function isProcess(node: unknown, names: ReadonlySet<string>): boolean {
  if (hasType(node, 'Identifier')) return names.has(String(node['name']))
  return hasType(node, 'MemberExpression') && isNamed(node['property'], 'process')
}

function isProcessModule(specifier: string | undefined): boolean {
  return specifier === 'node:process' || specifier === 'process'
}

function isNamed(node: unknown, name: string): boolean {
  return hasType(node, 'Identifier') && node['name'] === name
}

/** The text of a string literal, or of a template without holes. */
function literalText(node: unknown): string | undefined {
  if (hasType(node, 'Literal') && typeof node['value'] === 'string') return node['value']
  if (!hasType(node, 'TemplateLiteral') || !Array.isArray(node['quasis']) || node['quasis'].length !== 1)
    return undefined
  const cooked: unknown = node['quasis'][0]?.value?.cooked
  return typeof cooked === 'string' ? cooked : undefined
}

function hasType(node: unknown, type: string): node is Record<string, unknown> {
  return typeof node === 'object' && node !== null && 'type' in node && node.type === type
}
