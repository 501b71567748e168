import { parse } from 'yaml'

/** Every binary a dependency brings has to be locked for all of these: pnpm leaves out missing ones without a word. */
const supportedPlatforms = [
  ['linux', 'x64'],
  ['linux', 'arm64'],
  ['darwin', 'x64'],
  ['darwin', 'arm64'],
] as const

interface Lock {
  readonly packages?: Readonly<Record<string, { readonly os?: readonly string[]; readonly cpu?: readonly string[] }>>
  readonly snapshots?: Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>
}

/**
 * Faults of a pnpm lock file that an install on the machine that wrote it would not show.
 *
 * @param text content of pnpm-lock.yaml
 * @returns one line per fault: a platform without its binary, or a host or path that belongs to one machine
 */
export function findLockFaults(text: string): readonly string[] {
  const lock: Lock = parse(text)
  return [...missingPlatforms(lock), ...machineTraces(text)].map((fault) => `pnpm-lock.yaml ${fault}`)
}

/**
 * The same for the toolchain's npm lock file: without `resolved`, npm asks the registry the user has set.
 *
 * @param text content of scripts/toolchain/package-lock.json
 */
export function findToolchainLockFaults(text: string): readonly string[] {
  return text.split('\n').flatMap((line, index) => {
    return line.includes('"resolved"') ? [`scripts/toolchain/package-lock.json:${index + 1} names a registry`] : []
  })
}

function missingPlatforms(lock: Lock): readonly string[] {
  const faults: string[] = []
  for (const [parent, snapshot] of Object.entries(lock.snapshots ?? {})) {
    const binaries = Object.entries(snapshot.optionalDependencies ?? {})
      .map(([name, version]) => lock.packages?.[`${name}@${version.replace(/\(.*$/, '')}`])
      .filter((entry) => entry?.os !== undefined && entry.cpu !== undefined)
    // A single platform package is a feature of that platform (fsevents), not one binary in many builds.
    if (binaries.length < 2) continue
    for (const [os, cpu] of supportedPlatforms) {
      const isLocked = binaries.some((entry) => entry?.os?.includes(os) && entry.cpu?.includes(cpu))
      if (!isLocked) faults.push(`${parent} has no package for ${os}-${cpu}`)
    }
  }
  return faults
}

function machineTraces(text: string): readonly string[] {
  return text.split('\n').flatMap((line, index) => {
    const trace = /[a-z]+:\/\/\S+|\b(?:file|link):\/\S*|tarball: \S+/.exec(line)
    return trace ? [`line ${index + 1} names ${trace[0]}`] : []
  })
}
