import type { IncomingMessage, ServerResponse } from 'node:http'
import { createService, type Service } from '@inferq/runtime'
import type { Metrics } from '@inferq/telemetry'
import { http } from './node-http.ts'
import type { Settings } from './settings.ts'

type MetricsPage = Pick<Metrics, 'render' | 'contentType'>

/** What else is served, by path. A handler that rejects is answered for with 500. */
export type PortRoutes = Readonly<Record<string, PortHandler>>
type PortHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void

/** One page of two registries that share no metric. */
export function joinPages(first: MetricsPage, second: () => Promise<string>): MetricsPage {
  return {
    contentType: first.contentType,
    async render() {
      const pages = await Promise.all([first.render(), second()])
      return pages.join('')
    },
  }
}

/**
 * `/metrics` for Prometheus and `/health/liveness` for a supervisor, on a port of their own (`INFERQ_METRICS_PORT`), for
 * services that serve no HTTP themselves. Nothing in it needs a key: keep the port inside.
 */
export function createMetricsServer(
  settings: Pick<Settings, 'host' | 'metricsPort'>,
  metrics: MetricsPage,
  routes: PortRoutes = {},
): Service {
  const { host, metricsPort } = settings
  const server = http.createServer((request, response) => {
    const [path = ''] = request.url?.split('?') ?? []
    const handler = Object.hasOwn(routes, path) ? routes[path] : undefined
    if (handler !== undefined) {
      answer(handler, request, response).catch(() => (response.headersSent ? response : response.writeHead(500)).end())
    } else if (request.url === '/health/liveness' || request.url === '/health/liveliness') {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"ok"}')
    } else if (request.url === '/metrics') {
      metrics.render().then(
        (page) => response.writeHead(200, { 'content-type': metrics.contentType }).end(page),
        () => response.writeHead(500).end(),
      )
    } else {
      response.writeHead(404).end()
    }
  })
  return createService({
    name: 'metrics-server',
    async start() {
      if (metricsPort === undefined) return
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(metricsPort, host, resolve)
      })
    },
    stop() {
      server.closeAllConnections()
      server.close()
    },
  })
}

async function answer(handler: PortHandler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  await handler(request, response)
}
