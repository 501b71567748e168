import { delimiter, join } from 'node:path'
import { bin, root } from './paths.mjs'

/** The rest of what npm adds for its children would reconfigure pnpm and everything below it. */
const registrySettings = ['registry', 'cafile', 'ca', 'proxy', 'https_proxy', 'http_proxy', 'noproxy', 'strict_ssl']

/**
 * The environment for everything that boot.mjs runs: this one without npm's settings (the way to the registry is
 * kept, under pnpm's names too), with the toolchain and the installed commands first on PATH.
 *
 * @returns {NodeJS.ProcessEnv}
 */
export function childEnvironment() {
  /** @type {NodeJS.ProcessEnv} */
  const environment = {}
  for (const [name, value] of Object.entries(process.env)) {
    const setting = /^npm_config_(.+)$/i.exec(name)?.[1]?.toLowerCase()
    if (setting && registrySettings.includes(setting)) {
      environment[`npm_config_${setting}`] = value
      environment[`pnpm_config_${setting}`] ??= value
    } else if (!/^npm_/i.test(name)) {
      environment[name] = value
    }
  }
  environment['PATH'] = [bin, join(root, 'node_modules', '.bin'), process.env['PATH'] ?? ''].join(delimiter)
  environment['NODE_COMPILE_CACHE'] ??= join(root, 'node_modules', '.cache', 'compile')
  return environment
}
