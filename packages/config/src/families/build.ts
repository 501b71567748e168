import type { CredentialRule, ProviderFamily, ProviderQuirks } from './family.ts'

/** What a line of the tables says beside the name, the home and the key. */
export interface FamilyOptions {
  readonly prefixes?: readonly string[]
  readonly baseVariables?: readonly string[]
  readonly domains?: readonly string[]
  readonly credentials?: Readonly<Record<string, CredentialRule>>
  readonly quirks?: ProviderQuirks
}

/** Somebody else's service that speaks OpenAI's wire, with an account and a key. */
export function cloud(
  name: string,
  baseUrl: string,
  keyVariables: readonly string[],
  options: FamilyOptions = {},
): ProviderFamily {
  return { ...family(name, keyVariables, options), wire: 'openai', baseUrl, needsKey: true, isLocal: false }
}

/** A server in this house that speaks OpenAI's wire. Without a URL `api_base` has to say where. */
export function local(
  name: string,
  baseUrl: string | undefined,
  keyVariables: readonly string[],
  options: FamilyOptions = {},
): ProviderFamily {
  const home = baseUrl === undefined ? {} : { baseUrl }
  return { ...family(name, keyVariables, options), wire: 'openai', ...home, needsKey: false, isLocal: true }
}

export function family(
  name: string,
  keyVariables: readonly string[],
  { prefixes = [], baseVariables = [], domains, credentials, quirks = {} }: FamilyOptions,
): Pick<
  ProviderFamily,
  'name' | 'prefixes' | 'baseUrlVariables' | 'keyVariables' | 'domains' | 'credentials' | 'quirks'
> {
  return {
    name,
    prefixes: [name, ...prefixes],
    baseUrlVariables: baseVariables,
    keyVariables,
    ...(domains === undefined ? {} : { domains }),
    ...(credentials === undefined ? {} : { credentials }),
    quirks,
  }
}
