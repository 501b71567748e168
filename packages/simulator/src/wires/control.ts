import type { Engine } from '../engine.ts'
import { invalidField, RequestError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Ledger } from '../ledger.ts'
import type { RequestLog } from '../request-log.ts'
import { parseScriptPatch, ScriptError } from '../script-parse.ts'
import { allow, decodeName, parseBody } from './fields.ts'
import { jsonType } from './openai-common.ts'
import type { Incoming } from './wire.ts'

const modelsPath = '/__sim/models/'

/** What can be set and seen. */
export interface Controlled {
  readonly engine: Engine
  readonly log: RequestLog
  /** Undefined: none is kept. */
  readonly ledger: Ledger | undefined
}

/** Everything under `/__sim`: what a test sets and sees. Throws a RequestError. */
export function answerControl(
  { engine, log, ledger }: Controlled,
  exchange: Exchange,
  { method, path, query }: Incoming,
): void {
  if (path === '/__sim/stats') {
    allow(method, 'GET')
    const requests = query.get('requests') === '1' ? { requests: log.records() } : {}
    exchange.send(200, jsonType, JSON.stringify({ ...engine.stats(), ...requests }))
  } else if (path === '/__sim/ledger') {
    allow(method, 'GET')
    if (ledger === undefined)
      throw new RequestError(404, 'No ledger is kept: start the simulator with the option ledger.')
    exchange.send(200, jsonType, JSON.stringify(ledger.after(startOf(query.get('after')))))
  } else if (path === '/__sim/reset') {
    allow(method, 'POST')
    engine.reset()
    log.clear()
    exchange.send(200, jsonType, '{"reset":true}')
  } else if (path.startsWith(modelsPath) && path.length > modelsPath.length) {
    allow(method, 'GET', 'POST', 'DELETE')
    const name = decodeName(path.slice(modelsPath.length))
    if (method === 'POST') patchModel(engine, name, exchange.bodyText)
    if (method === 'DELETE') engine.models.forget(name)
    exchange.send(200, jsonType, JSON.stringify({ model: name, script: engine.models.scriptOf(name) }))
  } else {
    throw new RequestError(404, `No such control: ${path}.`)
  }
}

function startOf(after: string | null): number {
  const number = Number(after ?? 0)
  if (!Number.isSafeInteger(number) || number < 0) throw invalidField('after', 'it must be a whole number from 0')
  return number
}

function patchModel(engine: Engine, name: string, bodyText: string): void {
  try {
    engine.models.patch(name, parseScriptPatch(parseBody(bodyText), 'script'))
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error
    throw new RequestError(400, error.message, { param: error.field, code: error.code })
  }
}
