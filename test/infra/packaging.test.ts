import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

interface ComposeService {
  readonly image: string
  readonly build?: { readonly context: string; readonly dockerfile: string }
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly secrets?: readonly string[]
  readonly volumes?: readonly string[]
  readonly depends_on?: Readonly<Record<string, unknown>>
}

interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const compose = parse(read('docker-compose.yaml'), { merge: true }) as Compose
const services = Object.entries(compose.services)
const own = services.filter(([, service]) => service.build !== undefined)
const dockerfile = read('infra/docker/Dockerfile')

describe('the compose file', () => {
  it('pins every image to a version', () => {
    for (const [, { image }] of services) expect(image).toMatch(/:[\w.-]*\d/)
    for (const [, image] of dockerfile.matchAll(/^FROM (\S+)/gm)) expect(image).toMatch(/:\d+\.\d+\.\d+/)
  })

  it('runs commands that exist', () => {
    const main = join(root, 'packages/cli/src/main.ts')
    for (const [, { command }] of own) {
      const help = execFileSync(process.execPath, [main, ...(command ?? []), '--help'], { encoding: 'utf8' })
      expect(help).toContain(`Usage: inferq ${command?.[0]}`)
    }
  })

  it('sets variables that the command reads', () => {
    const settings = `${read('packages/cli/src/settings.ts')} INFERQ_MASTER_KEY`
    for (const [, { environment = {} }] of own) {
      for (const name of Object.keys(environment)) expect(settings).toContain(name.replace(/_FILE$/, ''))
    }
    for (const [, name] of dockerfile.matchAll(/(INFERQ_\w+)=/g)) expect(settings).toContain(name)
  })

  it('names only secrets, volumes and services that it declares, and files that are there', () => {
    for (const [, service] of services) {
      for (const secret of service.secrets ?? []) expect(Object.keys(compose.secrets)).toContain(secret)
      for (const other of Object.keys(service.depends_on ?? {})) expect(Object.keys(compose.services)).toContain(other)
      for (const volume of service.volumes ?? []) {
        const [source = ''] = volume.split(':')
        if (!source.startsWith('.')) expect(Object.keys(compose.volumes)).toContain(source)
      }
      if (service.build) expect(existsSync(join(root, service.build.context, service.build.dockerfile))).toBe(true)
    }
  })

  it('keeps Redis from evicting and losing', () => {
    expect(compose.services['redis']?.command?.join(' ')).toMatch(/--appendonly yes.*--maxmemory-policy noeviction/)
  })

  it('leaves no secret in the open', () => {
    for (const [, { environment = {} }] of services) {
      for (const [name, value] of Object.entries(environment)) {
        if (/KEY|PASSWORD|DATABASE_URL/.test(name)) expect(value).toMatch(/^\/run\/secrets\//)
      }
    }
  })
})

it('compiles modules that there are when the image is made', () => {
  const programs = /for program in (.*);/.exec(dockerfile)?.[1]?.split(' ') ?? []
  expect(programs.length).toBeGreaterThan(1)
  for (const program of programs) expect(existsSync(join(root, 'packages/cli/src', program))).toBe(true)
})

it('every way to start a service gives Node the same flags', () => {
  const shebang = /^#!\/usr\/bin\/env -S node (.*)\n/.exec(read('packages/cli/src/main.ts'))?.[1]?.split(' ')
  expect(shebang?.length).toBeGreaterThan(1)
  const entrypoint = JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]') as string[]
  expect(entrypoint.slice(1, -1)).toEqual(shebang)
  // With other flags Node would not use what was compiled when the image was made.
  expect(dockerfile).toContain(`node ${shebang?.join(' ')} packages/cli/src/$program`)
  for (const flag of shebang ?? []) expect(read('scripts/boot.mjs')).toContain(`'${flag}'`)
})
