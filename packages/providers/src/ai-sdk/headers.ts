import type { Upstream } from '../port.ts'

/** An SDK wants a key; where the operator has none (or sends it in a header of their own), this stands in and is not sent. */
export const noKey = 'inferq-no-key'

/** What is sent in the end: the SDK's headers, ours, and over all of them the operator's. */
export function headersFor(upstream: Upstream, fromSdk: Headers, requestId: string): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of fromSdk) if (!value.includes(noKey)) headers[name] = value
  headers['user-agent'] = 'inferq'
  headers['x-request-id'] = requestId.replace(/[^\x21-\x7e]/g, '').slice(0, 200)
  for (const [name, value] of Object.entries(upstream.headers ?? {})) {
    // The SDK has been given it, and has joined it with the features a request needs.
    if (name.toLowerCase() === 'anthropic-beta' && 'anthropic-beta' in headers) continue
    headers[name.toLowerCase()] = value
  }
  return headers
}
