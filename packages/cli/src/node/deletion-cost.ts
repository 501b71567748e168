import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { request as requestHttps } from 'node:https'
import { join } from 'node:path'
import { type Clock, createPeriodicService, errorMessage, type Log, type Service } from '@inferq/runtime'
import type { WorkerActivity } from '@inferq/worker'
import { http } from '../node-http.ts'
import type { Variables } from '../settings.ts'

/** The pod that this process runs in, and how its API server is reached. */
export interface Pod {
  /** `https://10.0.0.1:443` */
  readonly apiUrl: string
  readonly namespace: string
  readonly name: string
  readonly tokenFile: string
  readonly caFile: string
}

export interface DeletionCostOptions {
  readonly pod: Pod
  readonly activity: () => WorkerActivity
  readonly clock: Clock
  readonly log: Log
  /** Between two looks. Default 15 s. */
  readonly everyMs?: number
}

const accountDir = '/var/run/secrets/kubernetes.io/serviceaccount'
const annotation = 'controller.kubernetes.io/pod-deletion-cost'
const timeoutMs = 5_000

/** Undefined: this is no pod, or one without an account at its API server. */
export function findPod(variables: Variables, directory = accountDir): Pod | undefined {
  const host = variables['KUBERNETES_SERVICE_HOST']
  const port = variables['KUBERNETES_SERVICE_PORT'] ?? '443'
  const name = variables['POD_NAME'] ?? variables['HOSTNAME']
  const namespace = variables['POD_NAMESPACE'] ?? read(join(directory, 'namespace'))
  const [tokenFile, caFile] = [join(directory, 'token'), join(directory, 'ca.crt')]
  if (host === undefined || name === undefined || namespace === undefined || read(tokenFile) === undefined)
    return undefined
  const apiUrl = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  return { apiUrl, namespace, name, tokenFile, caFile }
}

/**
 * Tells Kubernetes which pod it would cost the least to take away: one that drains before one that is idle, and that before
 * one whose oldest job has run for the longest. Written when it has changed by much: the API server is everybody's. A failure
 * is told once, and disturbs nothing.
 */
export function createDeletionCost({ pod, activity, clock, log, everyMs = 15_000 }: DeletionCostOptions): Service {
  let written: number | undefined
  let hasFailed = false
  return createPeriodicService({
    name: 'deletion-cost',
    intervalMs: everyMs,
    timeoutMs,
    clock,
    log,
    async run(signal) {
      const cost = costOf(activity(), clock.now())
      if (written !== undefined && !isFarFrom(cost, written)) return
      try {
        await annotate(pod, { [annotation]: String(cost) }, signal)
        written = cost
        hasFailed = false
      } catch (thrown) {
        if (!hasFailed && !signal.aborted)
          log.warn({ pod: pod.name, error: errorMessage(thrown) }, 'deletion-cost-not-written')
        hasFailed = true
      }
    },
  })
}

function costOf({ inFlight, oldestAt, state }: WorkerActivity, now: number): number {
  if (state !== 'running') return -1
  if (inFlight === 0 || oldestAt === null) return 0
  return 10 + Math.max(0, Math.floor((now - oldestAt) / 1000))
}

/** Busy or not is much; beyond that, twice or half of it. */
function isFarFrom(cost: number, written: number): boolean {
  if (Math.min(cost, written) <= 0) return cost !== written
  return cost >= 2 * written || cost <= written / 2
}

async function annotate(pod: Pod, annotations: Readonly<Record<string, string>>, signal: AbortSignal): Promise<void> {
  // Both are replaced from time to time.
  const [token, ca] = await Promise.all([
    readFile(pod.tokenFile, 'utf8'),
    readFile(pod.caFile, 'utf8').catch((): undefined => undefined),
  ])
  const path = `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}/pods/${encodeURIComponent(pod.name)}`
  const url = new URL(path, pod.apiUrl)
  const headers = { authorization: `Bearer ${token.trim()}`, 'content-type': 'application/merge-patch+json' }
  const options = { method: 'PATCH', headers, signal, agent: false, ...(ca === undefined ? {} : { ca }) }
  const status = await new Promise<number>((resolve, reject) => {
    const request = (url.protocol === 'http:' ? http.request : requestHttps)(url, options, (response) => {
      response.on('error', reject).on('end', () => resolve(response.statusCode ?? 0))
      response.resume()
    })
    request.on('error', reject).end(JSON.stringify({ metadata: { annotations } }))
  })
  if (status < 200 || status > 299) throw new Error(`the API server answers ${status}: may the account patch its pod?`)
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}
