import type { InferqConfig } from '@inferq/config'
import { readDevKey } from './dev-key.ts'
import { CommandError, exitCodes } from './exit-codes.ts'
import { isLoopback } from './settings.ts'

export type MasterKey =
  | { readonly kind: 'development'; readonly value: string }
  /** The user's own secret: it is not shown. */
  | { readonly kind: 'own'; readonly value: string }

/**
 * The key to serve with: the configured one, or on a loopback address the development key of the data directory. Throws
 * CommandError 3 for an address that others can reach and no key.
 */
export function resolveMasterKey(config: InferqConfig, host: string, dataDir: string): MasterKey {
  if (config.masterKey !== undefined) return { kind: 'own', value: config.masterKey }
  if (isLoopback(host)) return { kind: 'development', value: readDevKey(dataDir) }
  throw new CommandError(
    exitCodes.configInvalid,
    `others can reach ${host}, and there is no master key`,
    'set INFERQ_MASTER_KEY (or general_settings.master_key), or listen on 127.0.0.1',
  )
}
