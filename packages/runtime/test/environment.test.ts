import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  choiceVariable,
  EnvironmentError,
  flagVariable,
  integerVariable,
  parseEnvironment,
  readEnvironment,
  textVariable,
  urlVariable,
} from '../src/index.ts'
import { temporaryDir } from './support.ts'

const schema = {
  port: integerVariable('PORT', { min: 1, max: 65_535, default: 8080 }),
  level: choiceVariable('LOG_LEVEL', ['debug', 'info'], { default: 'info' }),
  pretty: flagVariable('PRETTY', { default: false }),
  masterKey: textVariable('MASTER_KEY', { secret: true, default: undefined }),
  redisUrl: urlVariable('REDIS_URL', { protocols: ['redis:', 'rediss:'] }),
}

test('gives typed values, with defaults for what is unset or empty', () => {
  const parsed = parseEnvironment(readEnvironment({ REDIS_URL: 'redis://r:1', PRETTY: 'yes', PORT: '' }), schema)
  expect(parsed).toEqual({
    ok: true,
    value: { port: 8080, level: 'info', pretty: true, masterKey: undefined, redisUrl: 'redis://r:1' },
  })
})

test('reads X from the file that X_FILE names, without its last line break', () => {
  const path = join(temporaryDir(), 'key')
  writeFileSync(path, 'sk-from-file\n')
  const environment = readEnvironment({ MASTER_KEY_FILE: path })
  expect([environment.get('MASTER_KEY'), environment.isFromFile('MASTER_KEY'), environment.faults]).toEqual([
    'sk-from-file',
    true,
    [],
  ])
})

test('both X and X_FILE is a fault, and so is a file that is missing, empty or too large', () => {
  const dir = temporaryDir()
  writeFileSync(join(dir, 'empty'), '\n')
  writeFileSync(join(dir, 'large'), 'x'.repeat(70_000))
  const environment = readEnvironment({
    BOTH: 'a',
    BOTH_FILE: join(dir, 'empty'),
    MISSING_FILE: join(dir, 'missing'),
    EMPTY_FILE: join(dir, 'empty'),
    LARGE_FILE: join(dir, 'large'),
  })
  for (const name of ['BOTH', 'MISSING', 'EMPTY', 'LARGE']) expect(environment.get(name)).toBeUndefined()
  expect(environment.faults).toMatchObject([
    { name: 'BOTH', found: 'both BOTH and BOTH_FILE' },
    { name: 'MISSING_FILE', found: expect.stringContaining(join(dir, 'missing')) },
    { name: 'EMPTY_FILE', found: expect.stringContaining('is empty') },
    { name: 'LARGE_FILE', found: expect.stringContaining('70000 bytes') },
  ])
})

test('leaves files alone that nobody asked for', () => {
  const environment = readEnvironment({ SSL_CERT_FILE: '/nowhere', PORT: '1' })
  environment.get('PORT')
  expect(environment.faults).toEqual([])
})

test('reports every fault at once, in the order of the schema, and shows no secret', () => {
  const path = join(temporaryDir(), 'port')
  writeFileSync(path, 'hunter2')
  const variables = { PORT_FILE: path, LOG_LEVEL: 'loud', PRETTY: 'maybe', REDIS_URL: 'http://me:hunter2@host' }
  const parsed = parseEnvironment(readEnvironment(variables), schema)
  expect(parsed.ok).toBe(false)
  const faults = parsed.ok ? [] : parsed.faults
  expect(faults.map(({ name }) => name)).toEqual(['PORT', 'LOG_LEVEL', 'PRETTY', 'REDIS_URL'])
  expect(faults[1]).toEqual({ name: 'LOG_LEVEL', found: '"loud"', expected: 'one of debug, info' })
  const { message } = new EnvironmentError(faults)
  expect(message).toContain('PORT: found something else (not shown), expected a whole number from 1 to 65535')
  expect(message).not.toContain('hunter2')
})

test('a missing required variable is a fault that says what was expected', () => {
  const parsed = parseEnvironment(readEnvironment({}), schema)
  expect(parsed).toEqual({
    ok: false,
    faults: [{ name: 'REDIS_URL', found: 'nothing', expected: 'a URL that starts with redis:// or rediss://' }],
  })
})

test.each(['1.5', '0x10', '70000', '-1', 'eight', '1e3'])('does not take %s for a port', (value) => {
  expect(parseEnvironment(readEnvironment({ REDIS_URL: 'redis://r', PORT: value }), schema)).toMatchObject({
    ok: false,
  })
})
