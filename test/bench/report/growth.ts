import type { GrowthResult } from './cell-results.ts'

/** How the resident size of a process moved. */
export interface GrowthRow {
  readonly process: string
  /** After the first tenth, half and all of the requests. */
  readonly firstMib: number
  readonly halfMib: number
  readonly lastMib: number
  /** Of the line through the points of the second half, per 1,000 requests. */
  readonly kibPer1000: number
  readonly grows: boolean
}

/** A rise over the second half below either of these is what memory does anyhow. */
const noise = { mib: 8, share: 0.05 }

/** One row per process. It grows when its line rises by more than 8 MB and a twentieth of its size over the second half. */
export function growthRows({ points }: GrowthResult): GrowthRow[] {
  const half = points.slice(Math.floor(points.length / 2) - 1)
  const [first, middle, last] = [points[0], half[0], points.at(-1)]
  if (first === undefined || middle === undefined || last === undefined) return []
  return Object.keys(last.rssMib).map((process) => {
    const at = (point: GrowthResult['points'][number]): number => point.rssMib[process] ?? Number.NaN
    const mibPerRequest = slopeOf(half.map((point) => [point.requests, at(point)]))
    const risenMib = mibPerRequest * (last.requests - middle.requests)
    return {
      process,
      firstMib: at(first),
      halfMib: at(middle),
      lastMib: at(last),
      kibPer1000: mibPerRequest * 1024 * 1000,
      grows: risenMib > noise.mib && risenMib > noise.share * at(middle),
    }
  })
}

/** Of the straight line through the points that is nearest to them (least squares). NaN of fewer than two. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (axis: 0 | 1): number => points.reduce((sum, point) => sum + point[axis], 0) / points.length
  const [meanX, meanY] = [mean(0), mean(1)]
  let [products, squares] = [0, 0]
  for (const [x, y] of points) {
    products += (x - meanX) * (y - meanY)
    squares += (x - meanX) ** 2
  }
  return products / squares
}
