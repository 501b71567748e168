import { type Deployment, familyOf, type InferqConfig } from '@inferq/config'

/**
 * Where a class's backends keep what they have read, as names that are the same for two workers when they call the same
 * backend: its address, and whose address that is where it means the machine itself. A cloud's is not known: it has none.
 */
export function homesOf(config: InferqConfig, modelClass: string, host: string): ReadonlySet<string> {
  const own = config.deployments.filter((deployment) => deployment.class === modelClass && keepsPrefixes(deployment))
  return new Set(own.map(({ baseUrl }) => (isOfMachine(baseUrl) ? `${host} ${baseUrl}` : baseUrl)))
}

function keepsPrefixes({ provider, apiKey, baseUrl }: Deployment): boolean {
  return familyOf(provider)?.isLocal === true || apiKey === undefined || isOfMachine(baseUrl)
}

function isOfMachine(url: string): boolean {
  const name = URL.parse(url)?.hostname ?? ''
  return name === 'localhost' || name === '[::1]' || name.startsWith('127.')
}
