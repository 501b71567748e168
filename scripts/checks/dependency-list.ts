import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const listFile = 'docs/dependencies.md'

/**
 * Compares the manifests of the repository with the list of reasons in docs/dependencies.md, whose entries are lines
 * that start with "- `name`".
 *
 * @param root folder that holds the root package.json
 * @returns one line per fault: a dependency without a reason, a reason without a dependency, a list out of order
 */
export function findDependencyListFaults(root: string): readonly string[] {
  const used = usedDependencies(root)
  const text = readFileSync(join(root, listFile), 'utf8')
  const listed = [...text.matchAll(/^- `([^`]+)`/gm)].map(([, name = '']) => name)
  const faults = [...used].filter((name) => !listed.includes(name)).map((name) => `does not say why there is ${name}`)
  faults.push(...listed.filter((name) => !used.has(name)).map((name) => `lists ${name}, which nothing uses`))
  const firstOutOfOrder = listed.find((name, index) => name < (listed[index - 1] ?? ''))
  if (firstOutOfOrder) faults.push(`is not in alphabetical order at ${firstOutOfOrder}`)
  return faults.map((fault) => `${listFile} ${fault}`)
}

function usedDependencies(root: string): ReadonlySet<string> {
  const parents = ['packages', 'services', 'test'].filter((name) => existsSync(join(root, name)))
  const rooms = parents.flatMap((parent) => readdirSync(join(root, parent)).map((name) => join(parent, name)))
  const manifests = ['.', 'scripts/toolchain', 'test', ...rooms].map((folder) => join(root, folder, 'package.json'))
  const names = new Set<string>()
  for (const file of manifests.filter((path) => existsSync(path))) {
    const manifest = JSON.parse(readFileSync(file, 'utf8'))
    for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies']) {
      for (const [name, version] of Object.entries(manifest[kind] ?? {})) {
        if (!String(version).startsWith('workspace:')) names.add(name)
      }
    }
  }
  return names
}
