import { maskConfig } from '@inferq/config'
import { stringify } from 'yaml'
import type { CommandContext } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { loadConfig } from '../load-config.ts'
import { readSettings } from '../settings.ts'

export interface ConfigShowOptions {
  readonly json?: boolean
}

/** The effective configuration: file, includes, environment and defaults together, secrets masked. */
export async function runConfigShow(
  file: string | undefined,
  options: ConfigShowOptions,
  context: CommandContext,
): Promise<number> {
  const { configFile } = readSettings(context.variables)
  const { config } = loadConfig({ file: file ?? configFile, variables: context.variables })
  const masked = maskConfig(config)
  context.out(
    options.json ? `${JSON.stringify(masked, null, 2)}\n` : stringify(masked, { aliasDuplicateObjects: false }),
  )
  return exitCodes.ok
}
