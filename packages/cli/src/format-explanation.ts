import type { Operation } from '@inferq/contracts'
import type { RouteDecision, RouteTrace } from '@inferq/routing'
import { CommandError, exitCodes } from './exit-codes.ts'

/** What `POST /v1/route/explain` answers, less its `object`. */
export type Explanation = RouteTrace & { readonly operation: Operation; readonly decision: RouteDecision }

/** An ingress's answer. Throws CommandError 1 when it is none: another version answers. */
export function readExplanation(body: Readonly<Record<string, unknown>>): Explanation {
  const lists = [body['rules'], body['deployments'], body['fallbacks']]
  const records = [body['decision'], body['facts'], body['estimate']]
  if (lists.every(Array.isArray) && records.every((part) => typeof part === 'object' && part !== null)) {
    return body as unknown as Explanation
  }
  throw new CommandError(exitCodes.failed, 'the ingress answers in another shape: it is of another version')
}

/** The explanation as tables, for a person. */
export function formatExplanation(explanation: Explanation): string {
  const { decision, rules, deployments, fallbacks, estimate, facts } = explanation
  const parts = [
    formatDecision(decision),
    table(
      'Facts',
      Object.entries(facts).map(([name, value]) => [name, plain(value)]),
    ),
    table(
      'Rules',
      rules.map(({ rule, place, outcome, reason }) => [rule, outcome, reason, place]),
    ),
    table(
      'Deployments',
      deployments.map((one) => [
        one.deployment,
        one.outcome,
        `circuit ${one.circuit.state}`,
        one.estimatedCostUsd === null ? 'price unknown' : usd(one.estimatedCostUsd),
        one.reason,
      ]),
    ),
    table(
      'Order of models',
      fallbacks.map(({ model, class: className, after }) => [model, `class ${className}`, after]),
    ),
    `Estimate\n  ${estimate.promptTokens} prompt tokens, ${estimate.completionTokens} completion tokens, ${
      estimate.costUsd === null ? 'price unknown' : usd(estimate.costUsd)
    }`,
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function formatDecision(decision: RouteDecision): string {
  switch (decision.kind) {
    case 'candidates': {
      const { candidates, note } = decision
      const rule = note.rule === undefined ? '' : `, rule ${note.rule}`
      const variant = note.variant === undefined ? '' : `, variant ${note.variant}`
      const way = candidates.map(({ model, verify }) => (verify ? `${model} (verified)` : model)).join(' → ')
      return `${way}\n  ${note.reason} (${note.strategy}${rule}${variant})`
    }
    case 'refused':
      return `refused: ${decision.error.code}\n  ${decision.error.message}`
    default:
      return decision satisfies never
  }
}

function table(title: string, rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const columns = Math.max(...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, index) =>
    Math.min(60, Math.max(...rows.map((row) => row[index]?.length ?? 0))),
  )
  const lines = rows.map((row) => `  ${row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('  ')}`.trimEnd())
  return [title, ...lines].join('\n')
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}

/** Without an exponent, and without digits that say nothing. */
function usd(amount: number): string {
  return `$${amount.toFixed(9).replace(/0{1,7}$/, '')}`
}
