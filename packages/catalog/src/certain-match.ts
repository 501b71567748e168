import type { MatchLogic, ModelInfo } from '@pydantic/genai-prices'

/**
 * The library matches generously: `starts_with: claude-sonnet-5` also takes a `claude-sonnet-5-turbo` that came out after
 * it, at whatever price. A match is certain when what surrounds the pattern only says which day's version, which region
 * or which vendor is meant. `name` in lower case.
 */
export function isCertainly({ id, match }: ModelInfo, name: string): boolean {
  const listed = id.toLowerCase()
  if (name === listed || fits(match, name)) return true
  // `-v1:0` is part of every model's name at Bedrock; a `-v2` is another model.
  const version = generation.exec(name)
  return version !== null && version[1] === generation.exec(listed)?.[1] && fits(match, name.slice(0, version.index))
}

const generation = /-(v\d)(?::\d)?$/

function fits(match: MatchLogic, name: string): boolean {
  if ('or' in match) return match.or.some((one) => fits(one, name))
  if ('and' in match) return match.and.every((one) => holds(one, name)) && match.and.some((one) => fits(one, name))
  if ('equals' in match) return name === match.equals.toLowerCase()
  if ('starts_with' in match) {
    const pattern = match.starts_with.toLowerCase()
    return name.startsWith(pattern) && mayFollow(pattern, name.slice(pattern.length))
  }
  if ('ends_with' in match) {
    const pattern = match.ends_with.toLowerCase()
    return name.endsWith(pattern) && mayPrecede(name.slice(0, name.length - pattern.length))
  }
  if ('contains' in match) {
    const pattern = match.contains.toLowerCase()
    const at = name.indexOf(pattern)
    return at >= 0 && mayPrecede(name.slice(0, at)) && mayFollow(pattern, name.slice(at + pattern.length))
  }
  return new RegExp(match.regex).exec(name)?.[0] === name
}

/** A part of an `and` may only exclude something (`^(?!.*-tts)`), without telling the whole name. */
function holds(match: MatchLogic, name: string): boolean {
  return 'regex' in match ? new RegExp(match.regex).test(name) : fits(match, name)
}

/** `-preview`, `-latest`, `-001`, a day or a month: versions of one model. */
const edition =
  /^(?:-preview)?(?:[-@](?:latest|default|\d{8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{2}|\d{2}-\d{4}|\d{4}|\d{3}))?(?::\d)?$/
/** What is left of a day that the pattern has begun. */
const restOfDay = /^\d{0,4}(?:-\d{2}){0,2}$/

function mayFollow(pattern: string, rest: string): boolean {
  // What has been trained on top is paid as its base, whatever its owner calls it.
  if (pattern.startsWith('ft:')) return true
  return edition.test(rest) || (/-20\d{2}-?$|[-@]$/.test(pattern) && restOfDay.test(rest))
}

/** Bedrock's `us.anthropic.`, Vertex' `publishers/anthropic/models/`, `anthropic/`. */
const origin =
  /^(?:(?:us|eu|apac|ap|jp|au|ca|in)\.)?(?:(?:[a-z0-9]+\.)?|publishers\/[a-z0-9-]+\/models\/|[a-z0-9-]+\/)$/

function mayPrecede(rest: string): boolean {
  return origin.test(rest)
}
