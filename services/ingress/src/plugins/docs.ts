import swagger, { type FastifyStaticSwaggerOptions } from '@fastify/swagger'
import fastify, { type FastifyInstance } from 'fastify'

/** The page loads nothing from elsewhere and runs nothing of its own making; Swagger UI sets styles inline. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * A page to read and try the API at /docs. It is an application of its own, loaded and built when somebody first looks:
 * nobody else pays for it.
 */
export function registerDocs(app: FastifyInstance): void {
  let page: Promise<FastifyInstance> | undefined
  const open = (): Promise<FastifyInstance> => {
    page ??= createDocs(app.swagger())
    return page
  }
  for (const url of ['/docs', '/docs/*']) {
    app.get(url, { schema: { hide: true } }, async (request, reply) => {
      const docs = await open()
      for (const [name, value] of Object.entries(reply.getHeaders())) {
        if (value !== undefined) reply.raw.setHeader(name, value)
      }
      reply.hijack()
      docs.routing(request.raw, reply.raw)
      return reply
    })
  }
  app.addHook('onClose', async () => {
    await (await page)?.close()
  })
}

async function createDocs(document: object): Promise<FastifyInstance> {
  const { default: swaggerUi } = await import('@fastify/swagger-ui')
  const docs = fastify({ logger: false })
  await docs.register(swagger, { mode: 'static', specification: { document: document as StaticDocument } })
  await docs.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: contentSecurityPolicy,
    theme: { title: 'inferq API' },
    uiConfig: { defaultModelsExpandDepth: 0, tryItOutEnabled: true, persistAuthorization: false },
  })
  await docs.ready()
  return docs
}

type StaticDocument = Extract<FastifyStaticSwaggerOptions['specification'], { document: unknown }>['document']
