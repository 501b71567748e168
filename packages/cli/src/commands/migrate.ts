import { createStore } from '@inferq/store'
import { type CommandContext, createServiceLogger } from '../context.ts'
import { loadConfig } from '../load-config.ts'
import { readSettings, requireDatabaseUrl } from '../settings.ts'

/** Brings the schema forward, and says what it applied. Any number may run at once. */
export async function runMigrate(options: { readonly config?: string }, context: CommandContext): Promise<number> {
  const settings = readSettings(context.variables)
  const { config } = loadConfig({ file: options.config ?? settings.configFile, variables: context.variables })
  const url = requireDatabaseUrl(settings, config.databaseUrl)
  const log = createServiceLogger('migrate', settings, { write: context.err })
  const store = createStore({ url, log, maxConnections: 1 })
  try {
    const applied = await store.migrate()
    context.out(applied.length === 0 ? 'up to date\n' : `applied ${applied.join(', ')}\n`)
    return 0
  } finally {
    await store.close()
  }
}
