import { InferqError, type ListJobsQuery } from '@inferq/contracts'
import type { JobListQuery } from '@inferq/store'
import type { Identity } from './identity.ts'

const mostPairs = 16

/** What stands for all owners. */
const everybody = '*'

/** Whose jobs are asked for; null: everybody's. Throws `permission_denied` for others' where an administrator is needed. */
export function ownerAskedFor({ owner, admin }: Identity, query: ListJobsQuery): string | null {
  const asked = query.owner ?? owner
  if (asked === owner) return owner
  if (admin) return asked === everybody ? null : asked
  const message = "Jobs of other owners can be listed with an administrator's key alone."
  throw new InferqError({ code: 'permission_denied', message, param: 'owner' })
}

/** The query of `GET /v1/jobs`, checked against its schema, as the record of truth takes it. Throws `invalid_value`. */
export function toJobListQuery(query: ListJobsQuery): JobListQuery {
  const { limit = 20, after, status, type, model, class: modelClass, error_code, ...rest } = query
  const { owner: _, created_after, created_before, ...others } = rest
  const metadata = metadataOf(others)
  return {
    limit,
    ...(after === undefined ? {} : { after }),
    ...(status === undefined ? {} : { status }),
    ...(type === undefined ? {} : { type }),
    ...(model === undefined ? {} : { model }),
    ...(modelClass === undefined ? {} : { class: modelClass }),
    ...(error_code === undefined ? {} : { errorCode: error_code }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(created_after === undefined ? {} : { createdAfter: toMs('created_after', created_after) }),
    ...(created_before === undefined ? {} : { createdBefore: toMs('created_before', created_before) }),
  }
}

/** The bound of the schema does not hold for `1e400`: what text becomes infinite is no longer looked at by Ajv. */
function toMs(param: string, seconds: number): number {
  if (Number.isFinite(seconds)) return Math.round(seconds * 1000)
  throw new InferqError({ code: 'invalid_value', message: `Invalid value for '${param}': must be a Unix time.`, param })
}

/** `{'metadata[doc]': '42'}` → `{doc: '42'}`; the schema lets nothing else through. */
function metadataOf(others: object): Readonly<Record<string, string>> | undefined {
  const pairs = Object.entries(others).map(([name, value]): [string, string] => [
    name.slice('metadata['.length, -1),
    String(value),
  ])
  if (pairs.length === 0) return undefined
  if (pairs.length <= mostPairs) return Object.fromEntries(pairs)
  const message = `Invalid value for 'metadata': must have at most ${mostPairs} entries.`
  throw new InferqError({ code: 'invalid_value', message, param: 'metadata' })
}
