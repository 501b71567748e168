import { describe, expect, it } from 'vitest'
import { parseCoreList } from '../measure/affinity.ts'
import { summarizeProfile } from '../measure/cpu-profile.ts'
import {
  type ProcessStat,
  parseMemory,
  parseShare,
  parseStat,
  readProcesses,
  withDescendants,
} from '../measure/processes.ts'
import { commandsBetween, parseCommandStats } from '../measure/redis-commands.ts'

describe('what the kernel says about a process', () => {
  it('is read in spite of spaces and parentheses in its name', () => {
    const stat = '4242 (a (strange) name) S 17 4242 4242 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 11 0 100 1 2 3'
    expect(parseStat(stat)).toEqual({ parentPid: 17, cpuSeconds: 3 })
  })

  it('is nothing for a process that is gone', () => {
    expect(parseStat('')).toBeNull()
    expect(parseMemory('')).toEqual({ rssBytes: 0, peakRssBytes: 0 })
  })

  it('tells the memory now and at its peak', () => {
    const status = 'Name:\tnode\nVmPeak:\t 99999 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n'
    expect(parseMemory(status)).toEqual({ rssBytes: 2 ** 20, peakRssBytes: 2 * 2 ** 20 })
  })

  it('tells the memory it answers for, of what it shares', () => {
    expect(parseShare('55e5 [rollup]\nRss:   4096 kB\nPss:   1024 kB\nPss_Dirty:  8 kB\n')).toBe(2 ** 20)
    expect(parseShare('')).toBe(0)
  })

  it('tells the cores it may use', () => {
    expect(parseCoreList('0-2,7')).toEqual([0, 1, 2, 7])
    expect(parseCoreList('4')).toEqual([4])
    expect(parseCoreList('')).toEqual([])
  })

  it('counts what a process has started as part of it', () => {
    const stat = (parentPid: number): ProcessStat => ({ parentPid, cpuSeconds: 0 })
    const table = new Map([
      [2, stat(1)],
      [3, stat(2)],
      [4, stat(3)],
      [5, stat(1)],
    ] as const)
    expect(withDescendants(2, table)).toEqual([2, 3, 4])
  })

  it.runIf(process.platform === 'linux')('holds for this very process', () => {
    const [own] = readProcesses([{ label: 'own', pid: process.pid }])
    expect(own?.cpuSeconds).toBeGreaterThan(0)
    expect(own?.rssBytes).toBeGreaterThan(2 ** 20)
    expect(own?.peakRssBytes).toBeGreaterThanOrEqual(own?.rssBytes ?? 0)
    expect(own?.pssBytes).toBeGreaterThan(2 ** 20)
  })
})

describe('what Redis says about its commands', () => {
  const before = parseCommandStats('# Commandstats\r\ncmdstat_info:calls=1,usec=90,usec_per_call=90.00\r\n')
  const after = parseCommandStats(
    [
      '# Commandstats',
      'cmdstat_client|id:calls=2,usec=3,usec_per_call=1.50,rejected_calls=0,failed_calls=0',
      'cmdstat_info:calls=2,usec=180,usec_per_call=90.00',
      'cmdstat_xadd:calls=10,usec=25,usec_per_call=2.50',
      'a line of another shape',
    ].join('\r\n'),
  )

  it('is read with subcommands', () => {
    expect(after[0]).toEqual({ command: 'client|id', calls: 2, microseconds: 3 })
  })

  it('is the difference of two readings, the most called first, without the reading itself', () => {
    expect(commandsBetween(before, after)).toEqual([
      { command: 'xadd', calls: 10, microseconds: 25 },
      { command: 'client|id', calls: 2, microseconds: 3 },
    ])
    expect(commandsBetween(after, after)).toEqual([])
  })
})

describe('a CPU profile', () => {
  const frame = (functionName: string, url = '', lineNumber = 0) => ({ functionName, url, lineNumber })
  const profile = {
    nodes: [
      { id: 0, callFrame: frame('(root)'), children: [1, 2, 6] },
      { id: 1, callFrame: frame('(idle)') },
      { id: 2, callFrame: frame('route', 'file:///project/services/ingress/src/app.ts', 11), children: [3] },
      {
        id: 3,
        callFrame: frame('', 'file:///project/node_modules/.pnpm/x@1/node_modules/x/index.js', 4),
        children: [4, 5],
      },
      { id: 4, callFrame: frame('route', 'file:///project/services/ingress/src/app.ts', 11) },
      { id: 5, callFrame: frame('writev') },
      { id: 6, callFrame: frame('(garbage collector)') },
    ],
    samples: [1, 2, 3, 4, 5, 6],
    timeDeltas: [60, 20, 5, 5, 5, 5],
  }

  const { busy, functions, rooms } = summarizeProfile(profile, '/project')
  const rounded = (self: number): number => Number(self.toFixed(3))

  it('adds up a function over its callers and leaves idle time out', () => {
    expect(busy).toBe(0.4)
    expect(functions.slice(0, 2).map((one) => ({ ...one, self: rounded(one.self) }))).toEqual([
      { name: 'route', place: 'services/ingress/src/app.ts:12', self: 0.625 },
      { name: '(anonymous)', place: 'x/index.js:5', self: 0.125 },
    ])
  })

  it('charges native calls to the room that makes them', () => {
    expect(rooms.map((one) => [one.room, rounded(one.self)])).toEqual([
      ['services/ingress', 0.625],
      ['x', 0.25],
      ['(garbage collector)', 0.125],
    ])
  })
})
