import { InferqError } from '@inferq/contracts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Authenticator, type Identity, keyOf, wrongKey } from '../identity.ts'

/** Somebody who comes without a key; null for everybody else. May throw. */
export type Admit = (request: FastifyRequest, reply: FastifyReply) => Identity | null

/** Every route of this scope needs a key, or to be admitted; who asks is `identityOf(request)`. */
export function requireKey(app: FastifyInstance, authenticator: Authenticator, admit?: Admit): void {
  app.addHook('onRequest', (request, reply, done) => {
    try {
      const admitted = admit?.(request, reply) ?? null
      if (admitted !== null) return done(accept(request, admitted))
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
