import { describe, expect, it } from 'vitest'
import { fullExtent, quickExtent } from '../cells/cell.ts'
import { pickCells } from '../cells/index.ts'
import { parseLoadShape } from '../cells/throughput.ts'
import { parseCommand } from '../options.ts'
import { targetNames } from '../targets/target.ts'

describe('the command line', () => {
  it('without anything runs everything', () => {
    expect(parseCommand([])).toMatchObject({
      kind: 'run',
      quick: false,
      cells: [],
      targets: [...targetNames],
      requests: undefined,
    })
    const names = pickCells([]).map((cell) => cell.name)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toEqual(
      expect.arrayContaining(['c128', 'latency-50ms', 'streams-200', 'payload-400k', 'ladder', 'growth', 'faults']),
    )
  })

  it('takes lists of cells and targets, and keeps their usual order', () => {
    const command = parseCommand(['--cell', 'c128,c1', '--targets', 'inferq,direct', '--quick'])
    expect(command).toMatchObject({ quick: true, cells: ['c128', 'c1'], targets: ['direct', 'inferq'] })
    expect(pickCells(['c128', 'c1']).map((cell) => cell.name)).toEqual(['c1', 'c128'])
  })

  it('estimates how long cells take, more for a full run', () => {
    for (const cell of pickCells([])) {
      const [quick, full] = [cell.seconds(quickExtent, 5), cell.seconds(fullExtent, 5)]
      expect([cell.name, quick > 0, full > quick]).toEqual([cell.name, true, true])
    }
  })

  it('takes how many requests the growth cell sends', () => {
    expect(parseCommand(['--cell', 'growth', '--requests', '5000'])).toMatchObject({ requests: 5_000 })
    expect(() => parseCommand(['--requests', '1.5'])).toThrow('--requests must be a whole number')
  })

  it('has commands of its own for reports, comparisons and profiles', () => {
    expect(parseCommand(['report', 'x.json'])).toEqual({ kind: 'report', file: 'x.json', out: undefined })
    expect(parseCommand(['compare', '--base', 'main', '--rounds', '2'])).toEqual({
      kind: 'compare',
      base: 'main',
      cell: 'c128',
      rounds: 2,
      seconds: 3,
    })
    expect(parseCommand(['profile', '--cell', 'stream-c32'])).toMatchObject({ kind: 'profile', cell: 'stream-c32' })
    expect(parseCommand(['durability'])).toEqual({ kind: 'durability', rounds: 3, seconds: 8 })
    expect(parseCommand(['durability', '--rounds', '1', '--seconds', '2'])).toMatchObject({ rounds: 1, seconds: 2 })
    expect(parseCommand(['routing'])).toEqual({ kind: 'routing' })
    expect(parseCommand(['gpu'])).toEqual({ kind: 'gpu', cells: [], out: undefined })
    expect(parseCommand(['gpu', '--cell', 'swaps,gate'])).toMatchObject({ cells: ['gate', 'swaps'] })
    expect(parseCommand(['validation'])).toEqual({ kind: 'validation' })
  })

  it.each([
    [['--targets', 'nginx'], 'no target nginx'],
    [['report'], 'report FILE is missing'],
    [['gpu', '--cell', 'c128'], 'no cell c128; there are gate'],
    [['compare'], '--base is missing'],
    [['compare', '--base', 'x', '--rounds', 'few'], '--rounds must be a number'],
    [['dance'], 'unknown command "dance"'],
  ])('refuses %j', (args, message) => {
    expect(() => parseCommand(args)).toThrow(message)
  })

  it('knows closed-loop cells by their name', () => {
    expect(parseLoadShape('stream-c32')).toEqual({ connections: 32, stream: true })
    expect(parseLoadShape('c200')).toEqual({ connections: 200, stream: false })
    expect(() => parseLoadShape('c0')).toThrow('no closed-loop cell')
    expect(() => pickCells(['c7'])).toThrow('no cell c7')
  })
})
