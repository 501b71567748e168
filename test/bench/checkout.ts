import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'

/**
 * The folder of another version of this project, ready to run: a folder as it is, or the tree of a git ref, unpacked
 * into `folder` and installed there. (Not a worktree: a killed run would leave its entry in the repository.)
 */
export async function prepareCheckout(
  base: string,
  root: string,
  folder: string,
  environment: NodeJS.ProcessEnv,
): Promise<string> {
  const given = isAbsolute(base) ? base : resolve(base)
  if (existsSync(join(given, 'packages', 'cli', 'src', 'main.ts'))) return given
  const checkout = join(folder, 'checkout')
  mkdirSync(checkout, { recursive: true })
  await unpack(base, root, checkout)
  const args = ['install', '--frozen-lockfile', '--prefer-offline']
  execFileSync('pnpm', args, { cwd: checkout, env: environment, stdio: ['ignore', 'ignore', 'inherit'] })
  return checkout
}

async function unpack(ref: string, root: string, checkout: string): Promise<void> {
  const archive = spawn('git', ['archive', '--format=tar', ref], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  const tar = spawn('tar', ['-x', '-C', checkout], { stdio: [archive.stdout, 'ignore', 'inherit'] })
  const [[archiveCode], [tarCode]] = await Promise.all([once(archive, 'exit'), once(tar, 'exit')])
  if (archiveCode !== 0 || tarCode !== 0) throw new Error(`${ref} is neither a checkout nor a git ref`)
}
