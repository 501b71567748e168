import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix, relative, sep } from 'node:path'
import { leaves, levels, mayReadEnvironment, ownedModules } from './arrow-rules.ts'
import { readSource } from './read-source.ts'

const scope = '@inferq/'

/**
 * Compares every manifest and every import under `packages/` and `services/` with the plan in arrow-rules.ts.
 * Folders named `test` are left out, and so are devDependencies: tests may use anything.
 *
 * @param root folder that holds `packages/` and `services/`
 * @returns one line per fault, `path:line what is wrong`; empty when the plan is kept
 */
export function findWrongArrows(root: string): readonly string[] {
  return findRooms(root).flatMap((room) => [...manifestFaults(root, room), ...sourceFaults(root, room)])
}

interface Room {
  readonly name: string
  readonly folder: string
  readonly isService: boolean
}

function findRooms(root: string): readonly Room[] {
  return ['packages', 'services'].flatMap((parent) => {
    if (!existsSync(join(root, parent))) return []
    return readdirSync(join(root, parent))
      .filter((name) => existsSync(join(root, parent, name, 'package.json')))
      .map((name) => ({ name, folder: join(root, parent, name), isService: parent === 'services' }))
  })
}

function manifestFaults(root: string, room: Room): readonly string[] {
  const file = join(room.folder, 'package.json')
  const manifest: Record<string, unknown> = JSON.parse(readFileSync(file, 'utf8'))
  const faults: string[] = []
  if (manifest['name'] !== scope + room.name)
    faults.push(`is named ${String(manifest['name'])}, not ${scope}${room.name}`)
  if (levelOf(room.name) === undefined && !leaves[room.name])
    faults.push('has no place in scripts/checks/arrow-rules.ts')
  for (const kind of ['dependencies', 'optionalDependencies', 'peerDependencies']) {
    for (const name of Object.keys(manifest[kind] ?? {})) {
      const fault = arrowFault(room, name)
      if (fault) faults.push(`${kind}: ${fault}`)
    }
  }
  return faults.map((fault) => `${shown(root, file)} ${fault}`)
}

function sourceFaults(root: string, room: Room): readonly string[] {
  return sourceFiles(room.folder).flatMap((file) => {
    const facts = readSource(file, readFileSync(file, 'utf8'))
    const pathInRoom = slashes(relative(room.folder, file))
    const faults = facts.errors.map((error) => ({ line: 1, text: `cannot be parsed: ${error}` }))
    for (const { specifier, line } of facts.modules) {
      const text = moduleFault(room, pathInRoom, specifier)
      if (text) faults.push({ line, text })
    }
    if (!mayReadEnvironment(room.name, pathInRoom)) {
      for (const line of facts.environmentLines)
        faults.push({ line, text: 'reads process.env, which only main.ts does' })
    }
    return faults.map(({ line, text }) => `${shown(root, file)}:${line} ${text}`)
  })
}

function moduleFault(room: Room, pathInRoom: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) {
    const target = posix.normalize(posix.join(posix.dirname(pathInRoom), specifier))
    if (target.startsWith('..')) return `imports ${specifier}, which is outside its package`
    if (target.split('/').includes('test')) return `imports ${specifier}, which is test code`
    if (posix.basename(target) === 'main.ts') return `imports ${specifier}: main.ts is for starting, not for importing`
    return undefined
  }
  if (specifier.startsWith('/') || specifier.startsWith('file:')) return `imports ${specifier} by absolute path`
  if (specifier.startsWith(scope) && specifier.split('/').length > 2) {
    return `imports ${specifier}, the inside of another package; use its index`
  }
  return arrowFault(room, packageName(specifier))
}

/** Whether `room` may use the package `name` at all, whatever the file. */
function arrowFault(room: Room, name: string): string | undefined {
  const owned = ownedModules.find((entry) => entry.modules.test(name))
  if (owned && owned.owner !== room.name) return `uses ${name}: only ${owned.owner} may use ${owned.what}`
  if (!name.startsWith(scope)) return undefined

  const target = name.slice(scope.length)
  if (target === room.name) return `uses ${name}: itself by its own name`
  const own = leaves[room.name]
  if (own) return own.uses.includes(target) ? undefined : `uses ${name}: a leaf, it may use only ${own.uses.join(', ')}`
  const leaf = leaves[target]
  if (leaf)
    return leaf.usedBy.includes(room.name) ? undefined : `uses ${name}: only ${leaf.usedBy.join(', ')} and tests may`

  const from = levelOf(room.name)
  const to = levelOf(target)
  if (to === undefined) return `uses ${name}, which has no place in scripts/checks/arrow-rules.ts`
  if (from === undefined || to < from) return undefined
  return to === from ? `uses ${name}, which is on its own level` : `uses ${name}, which is above it`
}

function levelOf(name: string): number | undefined {
  const level = levels.findIndex((names) => names.includes(name))
  return level === -1 ? undefined : level
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function sourceFiles(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return ['node_modules', 'test'].includes(entry.name) ? [] : sourceFiles(path)
    return /\.[cm]?[jt]sx?$/.test(entry.name) ? [path] : []
  })
}

function shown(root: string, file: string): string {
  return slashes(relative(root, file))
}

function slashes(path: string): string {
  return path.split(sep).join('/')
}
