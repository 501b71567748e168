import { InferqError } from '@inferq/contracts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Authenticator, type Identity, keyOf, wrongKey } from '../identity.ts'

/** Every route of this scope needs a key; who it belongs to is `identityOf(request)`. */
export function requireKey(app: FastifyInstance, authenticator: Authenticator): void {
  app.addHook('onRequest', (request, _reply, done) => {
    try {
      const found = authenticator.identify(keyOf(request.headers))
      if (found instanceof Promise) found.then((identity) => done(accept(request, identity)), done)
      else done(accept(request, found))
    } catch (thrown) {
      done(thrown as Error)
    }
  })
}

/** In a scope that needs a key: only operators. */
export function requireAdmin(app: FastifyInstance): void {
  app.addHook('onRequest', async (request) => {
    if (!identityOf(request).admin) {
      throw new InferqError({ code: 'permission_denied', message: 'This route needs an administrator key.' })
    }
  })
}

/** Who asks. Only for routes that need a key. */
export function identityOf(request: FastifyRequest): Identity {
  const { identity } = request.facts
  if (identity === undefined) throw wrongKey()
  return identity
}

function accept(request: FastifyRequest, identity: Identity | null): Error | undefined {
  if (identity === null) return wrongKey()
  request.facts.identity = identity
  return undefined
}
