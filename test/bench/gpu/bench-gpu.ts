import { describeMachine } from '../measure/machine.ts'
import { writeText } from '../report/files.ts'
import type { Workplace } from '../session.ts'
import type { GpuCell } from './cells.ts'
import { benchEmbeddings } from './embeddings.ts'
import { benchFairness } from './fairness.ts'
import { benchGate, benchOverload, type GateResult } from './gate.ts'
import { benchLane } from './lane.ts'
import { renderEmbeddings, renderFairness, renderGate, renderLane, renderOverload, renderSwaps } from './report.ts'
import { benchSwaps } from './swaps.ts'

/** inferq's workers before simulated GPUs: whether they keep what is promised of them. Gives the report as Markdown. */
export async function benchGpu(
  options: { readonly cells: readonly GpuCell[]; readonly out: string | undefined },
  workplace: Workplace,
): Promise<string> {
  const wants = (cell: GpuCell): boolean => options.cells.length === 0 || options.cells.includes(cell)
  const parts: string[] = []
  let gates: readonly GateResult[] = []
  if (wants('gate') || wants('overload')) {
    gates = await benchGate(workplace)
    parts.push(renderGate(gates))
  }
  const [first] = gates
  if (wants('overload') && first !== undefined) parts.push(renderOverload(first, await benchOverload(workplace, first)))
  if (wants('fairness')) parts.push(renderFairness(await benchFairness(workplace)))
  if (wants('lane')) parts.push(renderLane(await benchLane(workplace)))
  if (wants('embeddings')) parts.push(renderEmbeddings(await benchEmbeddings(workplace)))
  if (wants('swaps')) parts.push(renderSwaps(await benchSwaps(workplace)))
  const text = `${introduction()}\n\n${parts.join('\n\n')}\n`
  if (options.out !== undefined) writeText(options.out, text)
  return text
}

function introduction(): string {
  const { cores, cpu, memoryGib, kernel, node } = describeMachine()
  return `# Workers before simulated GPUs

<!-- Made by \`npm run bench -- gpu --out docs/gpu-bench.md\`; do not edit. -->

Ingress, controller and workers as a process each, Redis with its append-only file, embedded Postgres; the backend is the
simulator, with curves that are assumed and no GPU's. All of it on one machine with ${cores} cores (${cpu}), ${memoryGib} GiB, ${kernel}, Node ${node}.`
}
