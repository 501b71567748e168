#!/usr/bin/env -S node --disable-warning=ExperimentalWarning --max-semi-space-size=16 --heap-growing-percent=50
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// Compiled modules are kept between starts, hence the import below: only what is loaded after this line is. Inside the
// checkout or image, not in a folder that others may write to. NODE_COMPILE_CACHE names another place; one that cannot be
// written to is passed over.
enableCompileCache(fileURLToPath(new URL('../../../node_modules/.cache/compile', import.meta.url)))
const { runProgram } = await import('./program.ts')

process.exitCode = await runProgram(process.argv.slice(2), {
  variables: process.env,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  isTerminal: process.stderr.isTTY === true,
  exit: (code) => process.exit(code),
})
