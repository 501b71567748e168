import type { Named, Reader } from './reader.ts'
import type { Tree } from './tree.ts'

/** A list of names, or one name. */
export function readNames(tree: Tree | undefined, reader: Reader): readonly Named[] {
  const items = tree?.kind === 'scalar' ? [tree] : (reader.list(tree) ?? [])
  return items.flatMap((item) => {
    const name = reader.text(item)
    return name === undefined ? [] : [{ name, place: item }]
  })
}

/** A list of texts, or one text. */
export function readTexts(tree: Tree | undefined, reader: Reader): readonly string[] {
  return readNames(tree, reader).map(({ name }) => name)
}
