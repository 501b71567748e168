/** Regions whose prices are those the library lists; elsewhere they may be others. */
const bedrockPath = /^(?:(?:converse|converse_like|invoke)\/)?(?:(?:us-east-1|us-west-2)\/)?(?:(?:converse|invoke)\/)?/

/** A model's name at the upstream as price lists write it: lower case, without the paths that some APIs put before it. */
export function listedName(provider: string, upstreamModel: string): string {
  const name = upstreamModel.trim().toLowerCase()
  switch (provider) {
    case 'gemini':
    case 'google':
      return name.replace(/^models\//, '')
    case 'vertex_ai':
    case 'vertex_ai_beta':
      return name.replace(/^publishers\/google\/models\//, '')
    case 'bedrock':
    case 'bedrock_converse':
      return name.replace(bedrockPath, '')
    default:
      return name
  }
}

/** Names that mean another model from time to time, so that what was once known of them may be wrong by now. */
export function isMovingName(name: string): boolean {
  return /[-:@]latest$/.test(name)
}
