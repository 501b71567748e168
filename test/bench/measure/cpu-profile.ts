import { fileURLToPath } from 'node:url'

/** What the inspector's Profiler.stop gives, as far as it is used here. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[]
}

interface ProfileNode {
  readonly id: number
  readonly children?: readonly number[]
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
}

export interface FunctionShare {
  readonly name: string
  /** `services/ingress/src/app.ts:12`; a package's file from its name on; empty for the engine's own. */
  readonly place: string
  /** Of the time that was not idle, 0 to 1, in the function itself. */
  readonly self: number
}

export interface RoomShare {
  /** `services/ingress`, `ioredis`, `node:http`. */
  readonly room: string
  /** Time in its functions and in what Node and the engine did for them, 0 to 1. */
  readonly self: number
}

export interface ProfileSummary {
  /** Share of the whole time in which the thread had something to do. */
  readonly busy: number
  readonly functions: readonly FunctionShare[]
  readonly rooms: readonly RoomShare[]
}

/** Where the time went, most first. */
export function summarizeProfile(profile: CpuProfile, root: string): ProfileSummary {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const rooms = roomsOf(profile, nodes, root)
  const functionTimes = new Map<string, number>()
  const roomTimes = new Map<string, number>()
  let total = 0
  let idle = 0
  for (const [index, id] of profile.samples.entries()) {
    const time = Math.max(0, profile.timeDeltas[index] ?? 0)
    const node = nodes.get(id)
    if (node === undefined) continue
    total += time
    if (node.callFrame.functionName === '(idle)') {
      idle += time
      continue
    }
    add(functionTimes, `${node.callFrame.functionName || '(anonymous)'}\n${placeOf(node, root)}`, time)
    add(roomTimes, rooms.get(id) ?? '', time)
  }
  const busyTime = total - idle
  const shares = (times: ReadonlyMap<string, number>) =>
    [...times].map(([key, time]) => ({ key, self: time / busyTime })).toSorted((a, b) => b.self - a.self)
  return {
    busy: total === 0 ? 0 : busyTime / total,
    functions: shares(functionTimes).map(({ key, self }) => {
      const [name = '', place = ''] = key.split('\n')
      return { name, place, self }
    }),
    rooms: shares(roomTimes).map(({ key, self }) => ({ room: key, self })),
  }
}

function add(times: Map<string, number>, key: string, time: number): void {
  times.set(key, (times.get(key) ?? 0) + time)
}

/** The room of every node: its own, or for a function of Node or the engine the one of whoever called it. */
function roomsOf(profile: CpuProfile, nodes: ReadonlyMap<number, ProfileNode>, root: string): Map<number, string> {
  const rooms = new Map<number, string>()
  const visit = (node: ProfileNode, above: string): void => {
    const own = roomOf(node, root)
    const isOurs = own !== undefined && !own.startsWith('node:')
    const room = isOurs || above === '' ? (own ?? node.callFrame.functionName) : above
    rooms.set(node.id, room)
    const below = node.callFrame.functionName === '(root)' ? '' : room
    for (const id of node.children ?? []) {
      const child = nodes.get(id)
      if (child !== undefined) visit(child, below)
    }
  }
  const [first] = profile.nodes
  if (first !== undefined) visit(first, '')
  return rooms
}

function roomOf(node: ProfileNode, root: string): string | undefined {
  const place = placeOf(node, root).replace(/:\d+$/, '')
  if (place === '') return undefined
  if (place.startsWith('node:')) return place.split('/').slice(0, 2).join('/')
  const [first = '', second = ''] = place.split('/')
  return first.startsWith('@') || first === 'packages' || first === 'services' ? `${first}/${second}` : first
}

function placeOf({ callFrame: { url, lineNumber } }: ProfileNode, root: string): string {
  if (url === '') return ''
  const path = url.startsWith('file:') ? fileURLToPath(url) : url
  const inPackage = path.lastIndexOf('/node_modules/')
  const short = inPackage >= 0 ? path.slice(inPackage + '/node_modules/'.length) : path.replace(`${root}/`, '')
  return `${short}:${lineNumber + 1}`
}
