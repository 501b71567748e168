import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { takeFolder } from './folder.ts'

/** A change to one file of the product. */
export interface Patch {
  /** From the root of the checkout. */
  readonly file: string
  /** Occurs in it exactly once. */
  readonly find: string
  readonly replace: string
}

/** What is to be planted, under a name for whoever has to mend it when the product was changed. */
export interface Plantable {
  readonly name: string
  readonly patches: readonly Patch[]
}

export interface Planted {
  /** As `SystemOptions.root` wants it. */
  readonly root: string
  /** The copy is gone afterwards. */
  remove(): void
}

const checkout = join(import.meta.dirname, '../../..')
const rooms = ['packages', 'services']
/** Of a package, what it does not run from. */
const leftOut: ReadonlySet<string> = new Set(['test', 'README.md'])

/**
 * A copy of the product with these bugs in it, in a folder of its own. Throws, naming the bug and the file, when what a patch
 * looks for is not there exactly once; then no copy is left.
 */
export function plant(bugs: readonly Plantable[]): Planted {
  const { path: root, release: remove } = takeFolder()
  try {
    copyProduct(root)
    for (const { name, patches } of bugs) for (const patch of patches) apply(root, name, patch)
    return { root, remove }
  } catch (cause) {
    remove()
    throw cause
  }
}

/** Throws as `plant` does, without making a copy: for a look at all bugs at once. */
export function checkPatches(bugs: readonly Plantable[]): void {
  for (const { name, patches } of bugs) {
    const texts = new Map<string, string>()
    for (const patch of patches) {
      const text = texts.get(patch.file) ?? readFrom(checkout, name, patch.file)
      texts.set(patch.file, patched(text, name, patch))
    }
  }
}

/** Packages find each other by links that lead within the copy, and everybody else's by one link to the checkout. */
function copyProduct(root: string): void {
  mkdirSync(root)
  for (const room of rooms) {
    for (const name of readdirSync(join(checkout, room))) {
      for (const part of readdirSync(join(checkout, room, name))) {
        if (leftOut.has(part)) continue
        const place = join(room, name, part)
        cpSync(join(checkout, place), join(root, place), { recursive: true, verbatimSymlinks: true })
      }
    }
  }
  cpSync(join(checkout, 'package.json'), join(root, 'package.json'))
  symlinkSync(join(checkout, 'node_modules'), join(root, 'node_modules'))
}

function apply(root: string, name: string, patch: Patch): void {
  writeFileSync(join(root, patch.file), patched(readFrom(root, name, patch.file), name, patch))
}

function readFrom(root: string, name: string, file: string): string {
  const path = join(root, file)
  if (!existsSync(path)) throw new Error(`the bug "${name}" cannot be planted: there is no ${file}`)
  return readFileSync(path, 'utf8')
}

function patched(text: string, name: string, { file, find, replace }: Patch): string {
  const count = text.split(find).length - 1
  if (count === 1) return text.replace(find, () => replace)
  throw new Error(`the bug "${name}" cannot be planted: ${file} has ${count} times what it has to have once: ${find}`)
}
