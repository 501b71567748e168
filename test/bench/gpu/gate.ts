import { setTimeout as sleep } from 'node:timers/promises'
import type { Simulator } from '@inferq/simulator'
import { createRandom } from '../measure/statistics.ts'
import type { Workplace } from '../session.ts'
import { type Curve, curves, question } from './curves.ts'
import { type Answer, sendClosedLoop, sendOpenLoop } from './load.ts'
import { type Rig, withRig } from './rig.ts'

/** Tokens a second of a backend with a fixed number of requests at once, and under the gate. */
export interface GateResult {
  readonly curve: Curve
  readonly sweep: readonly { readonly limit: number; readonly tokensPerSecond: number }[]
  readonly gate: number
  /** The limit at the end. */
  readonly limit: number
}

const sweptLimits = [4, 8, 12, 16, 24, 32, 48, 64, 96, 128]
const settleSeconds = 3
const sweepSeconds = 6
const gateSettleSeconds = 40
const gateSeconds = 20
const widest = 128
const backlog = 4_000

/** Every curve: a sweep of static limits on the backend itself, then inferq with a backlog, told nothing but how many at most. */
export async function benchGate(workplace: Workplace): Promise<readonly GateResult[]> {
  const results: GateResult[] = []
  for (const curve of curves) results.push(await benchCurve(workplace, curve))
  return results
}

async function benchCurve(workplace: Workplace, curve: Curve): Promise<GateResult> {
  const options = {
    simulator: { models: { [curve.name]: curve.script } },
    config: (url: string) => configOf(curve.name, 'hosted_vllm', url, { concurrency: widest }),
  }
  return withRig(workplace, options, async (rig) => {
    const sweep: { limit: number; tokensPerSecond: number }[] = []
    for (const limit of sweptLimits) {
      workplace.progress(`${curve.name}: ${limit} at once`)
      const load = sendClosedLoop({ connections: limit, seconds: settleSeconds + sweepSeconds }, () =>
        direct(rig, curve.name),
      )
      await sleep(settleSeconds * 1000)
      sweep.push({ limit, tokensPerSecond: await tokensPerSecond(rig.simulator, curve.name, sweepSeconds) })
      await load
    }
    workplace.progress(`${curve.name}: the gate`)
    const request = { model: curve.name, messages: [{ role: 'user', content: question }] }
    await rig.submit(Array.from({ length: backlog }, () => ({ type: 'completion', request })))
    await rig.startWorker(curve.name)
    await sleep(gateSettleSeconds * 1000)
    const gate = await tokensPerSecond(rig.simulator, curve.name, gateSeconds)
    const { data } = (await rig.get('/v1/workers')) as { readonly data: readonly { readonly limit: number }[] }
    return { curve, sweep, gate, limit: data[0]?.limit ?? Number.NaN }
  })
}

/** What comes of twice what a backend can do, through inferq. */
export interface OverloadResult {
  readonly name: string
  /** Tokens a second of answers that were in time. */
  readonly inTime: number
  /** Of all that was sent: answered in time, answered too late, refused with 429 or 503, anything else. */
  readonly counts: Readonly<Record<'inTime' | 'late' | 'refused' | 'other', number>>
}

const overloadSeconds = 30
const overloadSettleSeconds = 30
/** In time: the first token within so much of when the request was due, the rest at a third of a lone answer's pace or better. */
const firstTokenWithinMs = 3_000
const slowestPaceFactor = 3

/**
 * Streams for an interactive client, arriving at twice the rate that the best static limit can serve; a queue as long as what
 * is served in 1.5 s. Under the gate, and with static limits that are too high and too low.
 */
export async function benchOverload(workplace: Workplace, best: GateResult): Promise<readonly OverloadResult[]> {
  const { curve } = best
  const capacity = Math.max(...best.sweep.map(({ tokensPerSecond: value }) => value))
  const answerTokens = curve.script.tokens ?? 1
  const capacityPerSecond = capacity / answerTokens
  const maxQueue = Math.max(1, Math.round(1.5 * capacityPerSecond))
  const settings = [
    { name: `the gate, ${widest} at most`, provider: 'hosted_vllm', concurrency: widest },
    { name: `static ${widest}`, provider: 'openai', concurrency: widest },
    { name: 'static 16', provider: 'openai', concurrency: 16 },
  ]
  const results: OverloadResult[] = []
  for (const { name, provider, concurrency } of settings) {
    workplace.progress(`overload: ${name}`)
    const options = {
      simulator: { models: { [curve.name]: curve.script } },
      config: (url: string) => configOf(curve.name, provider, url, { concurrency, max_queue: maxQueue }),
    }
    const answers = await withRig(workplace, options, async (rig) => {
      await rig.startWorker(curve.name)
      const load = { perSecond: 2 * capacityPerSecond, random: createRandom(1) }
      const body = { model: curve.name, stream: true, messages: [{ role: 'user', content: question }] }
      const send = () => rig.post('/v1/chat/completions', body)
      await sendOpenLoop({ ...load, seconds: overloadSettleSeconds }, send)
      return sendOpenLoop({ ...load, seconds: overloadSeconds }, send)
    })
    results.push(overloadOf(name, answers, curve))
  }
  return results
}

function overloadOf(name: string, answers: readonly Answer[], { script }: Curve): OverloadResult {
  const paceMs = slowestPaceFactor * (script.interTokenMs ?? 0)
  const isInTime = ({ isWhole, firstTokenMs, totalMs, tokens }: Answer): boolean =>
    isWhole && firstTokenMs <= firstTokenWithinMs && totalMs - firstTokenMs <= paceMs * tokens
  const counts = { inTime: 0, late: 0, refused: 0, other: 0 }
  for (const answer of answers) {
    if (isInTime(answer)) counts.inTime += 1
    else if (answer.isWhole) counts.late += 1
    else if (answer.status === 429 || answer.status === 503) counts.refused += 1
    else counts.other += 1
  }
  return { name, counts, inTime: (counts.inTime * (script.tokens ?? 0)) / overloadSeconds }
}

function configOf(name: string, provider: string, url: string, ofClass: object): object {
  return {
    model_list: [
      {
        model_name: name,
        litellm_params: { model: `${provider}/${name}`, api_base: `${url}/v1`, api_key: 'unused' },
        model_info: { class: name },
      },
    ],
    classes: { [name]: ofClass },
  }
}

function direct({ simulator }: Rig, model: string): Promise<Response> {
  return fetch(`${simulator.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: question }] }),
  })
}

async function tokensPerSecond(simulator: Simulator, model: string, seconds: number): Promise<number> {
  const tokens = (): number => simulator.stats().models[model]?.generatedTokens ?? 0
  const [before, startedAt] = [tokens(), performance.now()]
  await sleep(seconds * 1000)
  return ((tokens() - before) * 1000) / (performance.now() - startedAt)
}
