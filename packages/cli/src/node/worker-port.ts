import type { ServerResponse } from 'node:http'
import type { PortRoutes } from '../metrics-server.ts'
import type { CurrentWorker } from './current-worker.ts'

const longestSeconds = 86_400

/**
 * What a supervisor asks of a worker on its own port, beside metrics and liveness: `GET /health/readiness`, and `GET` or
 * `POST /drain` for a Kubernetes preStop. `drainSeconds`: how long that waits where it does not say.
 */
export function createWorkerRoutes(worker: CurrentWorker, drainSeconds: () => number): PortRoutes {
  return {
    // Busy is ready: of the pods that are not, Kubernetes takes away the first.
    '/health/readiness': (_request, response) => {
      const status = worker.state()
      send(response, status === 'ready' ? 200 : 503, { status, in_flight: worker.activity().inFlight })
    },
    '/drain': async ({ method, url = '' }, response) => {
      if (method !== 'GET' && method !== 'POST') return send(response, 405, { error: 'GET or POST' })
      const asked = new URL(url, 'http://localhost').searchParams.get('timeout_s')
      const seconds = asked === null ? drainSeconds() : Number(asked)
      if (asked === '' || !(seconds >= 0 && seconds <= longestSeconds)) {
        return send(response, 400, { error: `timeout_s is a number of seconds, ${longestSeconds} at most` })
      }
      const isDrained = await worker.drain(seconds * 1000)
      const status = isDrained ? 'drained' : 'draining'
      send(response, isDrained ? 200 : 503, { status, in_flight: worker.activity().inFlight })
    },
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
