import type { PlantedBug } from '../bug.ts'

/** The bill. */
export const moneyBugs: readonly PlantedBug[] = [
  {
    name: 'nothing-for-embeddings',
    mistake: 'what brought no tokens is not billed',
    rule: 'billed-once',
    group: 'ends',
    patches: [
      {
        file: 'packages/store/src/record-ends.ts',
        find: '        from input join ended using (id)\n',
        replace: '        from input join ended using (id)\n        where completion_tokens > 0\n',
      },
    ],
  },
  {
    name: 'own-count',
    mistake: "inferq's own count of tokens goes before the upstream's",
    rule: 'bill-is-the-upstreams',
    group: 'answers',
    patches: [
      {
        file: 'packages/providers/src/usage.ts',
        find: 'reported?.completionTokens ?? outputTokens()',
        replace: 'outputTokens() ?? reported?.completionTokens',
      },
    ],
  },
  {
    name: 'interactive-ends-are-not-reported',
    mistake: 'the report of an end has moved into the branch of asynchronous jobs',
    rule: 'answer-is-billed',
    group: 'answers',
    patches: [
      {
        file: 'packages/tokenlog/src/scripts/finish.lua',
        find: "redis.call('XADD', KEYS[3], '*', 'm', ARGV[8])\n",
        replace: "if job[4] == 'async' then\n  redis.call('XADD', KEYS[3], '*', 'm', ARGV[8])\nend\n",
      },
    ],
  },
  {
    name: 'every-attempt-is-billed',
    mistake: 'a job costs what all its attempts cost, those whose output was void too',
    rule: 'superseded-is-not-billed',
    group: 'faults',
    // Whom nobody can go on with, and so many at once that some of them are met.
    load: { chatModels: ['cloud'], tokens: [20, 60], interTokenMs: [15, 40] },
    schedule: [3_500, 6_000].map((atMs) => ({ fault: 'upstream-reset', atMs, lastsMs: 0 })),
    patches: [
      {
        file: 'services/worker/src/bill.ts',
        find: 'if (!isPart || attempt.costNanoUsd === undefined) continue',
        replace: 'if (attempt.costNanoUsd === undefined) continue',
      },
    ],
  },
  {
    name: 'words-in-at-the-price-of-words-out',
    mistake: 'copied from the line of the output: its price for the input',
    rule: 'money-is-right',
    group: 'answers',
    patches: [
      {
        file: 'packages/catalog/src/cost-of.ts',
        find: 'const input = (promptTokens - cached) * rates.inputPicoUsd',
        replace: 'const input = (promptTokens - cached) * rates.outputPicoUsd',
      },
    ],
  },
]
