import { describe, expect, it } from 'vitest'
import { commandLine, parseCommand } from '../options.ts'

describe('the command line of the chaos runs', () => {
  it('is read, and made again for whoever wants the same run', () => {
    const command = parseCommand([
      '--minutes',
      '0.5',
      '--faults',
      'redis-crash,worker-killed',
      '--workers',
      '3',
      '--root',
      '../old',
    ])
    expect(command).toMatchObject({
      minutes: 0.5,
      seed: undefined,
      faults: ['redis-crash', 'worker-killed'],
      workers: 3,
    })
    if (command.kind !== 'run') throw new Error('no run')
    const again = commandLine(command, 42)
    expect(again).toBe(
      'npm run chaos -- --minutes 0.5 --seed 42 --faults redis-crash,worker-killed --workers 3 --root ../old',
    )
    expect(parseCommand(again.split(' ').slice(4))).toEqual({ ...command, seed: 42 })
  })

  it('asks for planted bugs', () => {
    expect(parseCommand(['--planted'])).toEqual({ kind: 'planted', seed: undefined, bugs: undefined })
    expect(parseCommand(['--planted', '--bugs', 'a,b', '--seed', '3'])).toEqual({
      ...{ kind: 'planted', seed: 3 },
      bugs: ['a', 'b'],
    })
  })

  it.each([
    [['--minutes', 'ten'], '--minutes must be a number'],
    [['--minutes', '0'], '--minutes must be a number'],
    [['--seed', '1.5'], '--seed must be a whole number'],
    [['--workers', '0'], '--workers must be a number'],
    [['--faults', 'redis-crsh'], 'no fault "redis-crsh"; there are redis-restart,'],
    [['--faults', ','], '--faults names none'],
    [['--bugs', 'a'], '--bugs goes with --planted'],
    [['--planted', '--seed', 'x'], '--seed must be a number'],
    [['--minute', '5'], '--minute'],
    [['run'], 'run'],
  ])('refuses %j, and says why', (args, why) => {
    expect(() => parseCommand(args)).toThrow(why)
  })
})
