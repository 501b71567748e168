import type { DeploymentDraft } from './deployment.ts'
import { completePrice, type PriceDraft, readPricing } from './pricing.ts'
import type { Named, Reader } from './reader.ts'
import type { Tree } from './tree.ts'

/** A line of the section `pricing`: what every deployment of a model costs that does not say so itself. */
export interface PriceLine {
  readonly model: Named
  readonly price: PriceDraft
}

/** `{model: {input, output}}` or `[{model, input, output}]`, in USD per 1,000 tokens. */
export function readPriceList(tree: Tree | undefined, reader: Reader): readonly PriceLine[] {
  if (tree?.kind === 'list') return tree.items.flatMap((item) => readLine(item, reader) ?? [])
  return [...(reader.names(tree) ?? [])].flatMap(([name, value]) => {
    const price = readPricing(value, reader)
    return price === undefined ? [] : [{ model: { name, place: value }, price }]
  })
}

function readLine(item: Tree, reader: Reader): PriceLine | undefined {
  if (item.kind !== 'map') {
    reader.section(item, { acts: [] })
    return undefined
  }
  const place = item.entries.find((entry) => entry.name === 'model')?.tree
  const name = reader.text(place)
  if (place === undefined) reader.fault(item, 'no model', 'model, the one that costs this')
  const price = readPricing({ ...item, entries: item.entries.filter((entry) => entry.name !== 'model') }, reader)
  return place === undefined || name === undefined || price === undefined
    ? undefined
    : { model: { name, place }, price }
}

/** The drafts with the prices of the list, where they have none of their own. */
export function applyPriceList(
  drafts: readonly DeploymentDraft[],
  lines: readonly PriceLine[],
  reader: Reader,
): readonly DeploymentDraft[] {
  const byModel = new Map(lines.map((line) => [line.model.name, line]))
  if (byModel.size === 0) return drafts
  const halves = new Set<PriceLine>()
  const priced = drafts.map((draft) => {
    const line = byModel.get(draft.model)
    if (line === undefined || draft.price?.source === 'config') return draft
    const price = completePrice(line.price, draft.price, draft.mode === 'embedding')
    if (price !== undefined) return { ...draft, price }
    halves.add(line)
    return draft
  })
  for (const { price } of halves) reader.notUsed(price.place, 'half a price')
  return priced
}
