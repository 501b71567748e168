import type { FastifyRequest } from 'fastify'

/**
 * Whether whoever asks is a client of Anthropic's: by the route, or (where both have one) by the header that all of their
 * clients send.
 */
export function speaksAnthropic({ url, headers }: Pick<FastifyRequest, 'url' | 'headers'>): boolean {
  if (/^\/v1\/messages(?:[/?]|$)/.test(url)) return true
  return headers['anthropic-version'] !== undefined && /^\/v1\/models(?:[/?]|$)/.test(url)
}
