import type { IncomingHttpHeaders } from 'node:http'
import { isTenantName } from '@inferq/config'
import { InferqError } from '@inferq/contracts'
import type { Identity } from './identity.ts'

const header = 'x-inferq-tenant'

/**
 * Whose share of a class a request comes out of: the caller's team, else its key, else its owner. Who holds an administrator key
 * may name another by the header `x-inferq-tenant`; what is made belongs to the caller all the same.
 * Throws `permission_denied` for anybody else who sends it, and `invalid_value` for what is no name.
 */
export function tenantOf(identity: Identity, headers: IncomingHttpHeaders): string {
  const named = headers[header]
  if (named === undefined) return identity.team ?? identity.key ?? identity.owner
  if (!identity.admin) {
    const message = `The header '${header}' needs an administrator key.`
    throw new InferqError({ code: 'permission_denied', message, param: header })
  }
  if (typeof named === 'string' && isTenantName(named)) return named
  const message = `Invalid value for the header '${header}': expected 1 to 128 visible ASCII characters.`
  throw new InferqError({ code: 'invalid_value', message, param: header })
}
