import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Engine } from './engine.ts'
import { RequestError } from './errors.ts'
import { Exchange } from './exchange.ts'
import { Ledger } from './ledger.ts'
import { metricsType, renderMetrics } from './metrics.ts'
import type { Refuse } from './playback.ts'
import { type LoggedRequest, RequestLog } from './request-log.ts'
import type { ModelScript, ScriptPatch } from './script.ts'
import { parseModelScript, parseScriptPatch } from './script-parse.ts'
import type { Stats } from './stats.ts'
import { anthropicWire } from './wires/anthropic.ts'
import { azureWire } from './wires/azure.ts'
import { bedrockWire } from './wires/bedrock.ts'
import { cohereWire } from './wires/cohere.ts'
import { answerControl } from './wires/control.ts'
import { geminiWire } from './wires/gemini.ts'
import { ollamaWire } from './wires/ollama.ts'
import { openAiWire } from './wires/openai.ts'
import { refuseOpenAi } from './wires/openai-common.ts'
import type { Incoming, Wire } from './wires/wire.ts'

export interface SimulatorOptions {
  /** 0, the default: a free one. */
  readonly port?: number
  /** Default 127.0.0.1. */
  readonly host?: string
  /** What every answer, jitter and fault rate is drawn from. Default 1. */
  readonly seed?: number
  /** The models that are listed. */
  readonly models?: Readonly<Record<string, ModelScript>>
  /** What every model's script starts from. */
  readonly defaults?: ModelScript
  /** Answer 404 for a model that has no script; otherwise any name is a model. Default false. */
  readonly strictModels?: boolean
  /** The one key every wire accepts, where each looks for it. Without: any key on the wires that ask for one. */
  readonly apiKey?: string
  /** Models in memory at once on Ollama's wire. Default 3. */
  readonly maxLoaded?: number
  /** Requests kept for `stats`. Default 200. */
  readonly keptRequests?: number
  /** Keep the bodies of these requests too. Default false. */
  readonly recordBodies?: boolean
  /** Keep every call with its user and usage, the newest 200,000 of them: `GET /__sim/ledger`. Default false. */
  readonly ledger?: boolean
  /** Longest request body; beyond it 413. Default 32 MiB. */
  readonly maxBodyBytes?: number
}

export interface Simulator {
  /** Listens; a second call does nothing. Rejects when the port is taken. */
  start(): Promise<void>
  /** Closes every connection and the port; calls in flight count as aborted. A second call does nothing. */
  stop(): Promise<void>
  /** `http://host:port`; throws before `start`. */
  readonly url: string
  /** Changes the script of a model (`*`: of all). Throws a ScriptError naming the field. */
  script(model: string, patch: ScriptPatch): void
  /** What has happened since the start or the last reset, with the last requests if asked. */
  stats(options?: { readonly requests?: boolean }): Stats
  /** Counters to zero, scripts back to those given at creation; calls in flight go on and stay counted. */
  reset(): void
}

const recordedBytes = 65_536

// In this order: Anthropic shares `/v1` with OpenAI.
const wires: readonly Wire[] = [anthropicWire, openAiWire, ollamaWire, geminiWire, cohereWire, bedrockWire, azureWire]

/** An upstream LLM server that speaks the wires of many vendors. Throws a ScriptError for a script that is none. */
export function createSimulator(options: SimulatorOptions = {}): Simulator {
  const { host = '127.0.0.1', models = {}, apiKey, maxBodyBytes = 33_554_432 } = options
  for (const [name, script] of Object.entries(models)) parseModelScript(script, `models.${name}`)
  const ledger = options.ledger === true ? new Ledger() : undefined
  const engine = new Engine({
    seed: options.seed ?? 1,
    models,
    defaults: parseModelScript(options.defaults ?? {}, 'defaults'),
    strictModels: options.strictModels ?? false,
    maxLoaded: options.maxLoaded ?? 3,
    ledger,
  })
  const log = new RequestLog(options.keptRequests ?? 200)
  let server: Server | undefined
  let url: string | undefined

  function receive(request: IncomingMessage, response: ServerResponse): void {
    const target = request.url ?? '/'
    const mark = target.indexOf('?')
    const path = mark < 0 ? target : target.slice(0, mark)
    const logged: LoggedRequest = {
      at: Date.now(),
      method: request.method ?? 'GET',
      path,
      rawHeaders: request.rawHeaders,
      model: null,
      stream: false,
      status: 0,
    }
    if (!path.startsWith('/__sim/')) log.add(logged)
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= maxBodyBytes) chunks.push(chunk)
      else chunks.length = 0
    })
    request.on('end', () => {
      const first = chunks[0]
      const bodyText = chunks.length === 1 && first !== undefined ? first.toString() : Buffer.concat(chunks).toString()
      if (options.recordBodies === true) logged.body = bodyText.slice(0, recordedBytes)
      const exchange = new Exchange({ bodyText, response, logged, ticker: engine.ticker })
      const query = new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1))
      const incoming: Incoming = { method: logged.method, path, query, headers: request.headers }
      const wire = wires.find(({ serves }) => serves(incoming))
      try {
        if (size > maxBodyBytes) throw new RequestError(413, `The body is longer than ${maxBodyBytes} bytes.`)
        answer(incoming, wire, exchange)
      } catch (error) {
        refuse(exchange, wire?.refuse ?? refuseOpenAi, error)
      }
    })
  }

  function answer(incoming: Incoming, wire: Wire | undefined, exchange: Exchange): void {
    const { method, path } = incoming
    if (path.startsWith('/__sim/')) {
      answerControl({ engine, log, ledger }, exchange, incoming)
    } else if (wire !== undefined) {
      wire.authenticate(incoming, apiKey)
      wire.answer(engine, exchange, incoming)
    } else if (path === '/health') {
      exchange.send(200, 'text/plain', '')
    } else if (path === '/metrics') {
      exchange.send(200, metricsType, renderMetrics([...engine.models.values()]))
    } else if (path === '/') {
      exchange.send(200, 'text/plain; charset=utf-8', 'Ollama is running')
    } else {
      throw new RequestError(404, `Not found: ${method} ${path}.`)
    }
  }

  return {
    async start() {
      if (server !== undefined) return
      // A connection kept by a client's pool must not be closed under its next request.
      const listening = createServer({ keepAliveTimeout: 120_000 }, receive)
      server = listening
      try {
        url = await listen(listening, options.port ?? 0, host)
      } catch (error) {
        server = undefined
        throw error
      }
    },
    async stop() {
      const stopping = server
      if (stopping === undefined) return
      server = undefined
      url = undefined
      await new Promise<void>((resolve) => {
        stopping.close(() => resolve())
        stopping.closeAllConnections()
      })
      engine.stop()
    },
    get url() {
      if (url === undefined) throw new Error('the simulator is not started')
      return url
    },
    script: (model, patch) => engine.models.patch(model, parseScriptPatch(patch, 'script')),
    stats: ({ requests = false } = {}) => ({ ...engine.stats(), ...(requests ? { requests: log.records() } : {}) }),
    reset() {
      engine.reset()
      log.clear()
    },
  }
}

function refuse(exchange: Exchange, say: Refuse, error: unknown): void {
  say(exchange, error instanceof RequestError ? error : new RequestError(500, `The simulator failed: ${String(error)}`))
}

function listen(server: Server, port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.removeListener('error', reject)
      const address = server.address()
      if (address === null || typeof address === 'string') return reject(new Error('the simulator listens on no port'))
      resolve(`http://${host.includes(':') ? `[${host}]` : host}:${address.port}`)
    })
  })
}
