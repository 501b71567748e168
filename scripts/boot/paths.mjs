import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const toolchain = join(root, '.toolchain')
/** Holds `node` and `pnpm`, for use by hand too: `PATH=.toolchain/bin:$PATH pnpm install`. */
export const bin = join(toolchain, 'bin')
export const nodePath = join(bin, 'node')
export const pnpmScript = join(toolchain, 'node_modules', 'pnpm', 'bin', 'pnpm.mjs')
