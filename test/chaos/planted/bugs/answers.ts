import type { PlantedBug } from '../bug.ts'

/** Answers on the connection that asked for them: their form, their words, and that they come at all. */
export const answerBugs: readonly PlantedBug[] = [
  {
    name: 'usage-instead-of-done',
    mistake: 'an early return: a stream that tells its usage ends without [DONE]',
    rule: 'streams-end-in-words',
    group: 'answers',
    patches: [
      {
        file: 'services/ingress/src/dialects/openai-chat.ts',
        find: 'end.usage) {\n        text += ',
        replace: 'end.usage) {\n        return text + ',
      },
    ],
  },
  {
    name: 'role-without-words',
    mistake: 'the first chunk of a stream brings the role, and not the words it came with',
    rule: 'text-is-the-upstreams',
    shows: /^from character 0 on/,
    group: 'answers',
    patches: [
      {
        file: 'services/ingress/src/dialects/openai-chat.ts',
        find: 'return deltas([{ index: 0, delta: { content: text } }])',
        replace: 'return deltas([{ index: 0 }])',
      },
    ],
  },
  {
    name: 'no-finish-reason',
    mistake: 'the finish reason is noted, and left out of its chunk',
    rule: 'answers-are-well-formed',
    shows: /no finish reason/,
    group: 'answers',
    patches: [
      {
        file: 'services/ingress/src/dialects/openai-chat.ts',
        find: 'text += chunk({ index, delta: { ...role, ...delta }, ...rest, finish_reason })',
        replace: 'text += chunk({ index, delta: { ...role, ...delta }, ...rest, finish_reason: null })',
      },
    ],
  },
  {
    name: 'read-is-taken-for-gone',
    mistake: 'a request whose body was read to its end counts as one whose client has left: nobody answers it',
    rule: 'nothing-hangs',
    shows: /no answer ever came/,
    // Who will never be answered need not be waited for.
    load: { patience: { wholeMs: 4_000, silentMs: 4_000 } },
    group: 'answers',
    patches: [
      {
        file: 'services/ingress/src/routes/reply-answer.ts',
        find: "  if (answered.kind === 'disconnected') return reply",
        replace: "  if (answered.kind === 'disconnected' || reply.request.raw.destroyed) return reply",
      },
    ],
  },
  {
    name: 'two-texts-are-too-many',
    mistake: 'a bound that was lowered for a test was left so',
    rule: 'right-is-not-refused',
    group: 'answers',
    patches: [
      {
        file: 'services/ingress/src/request-faults.ts',
        find: 'const maxTexts = 2048',
        replace: 'const maxTexts = 1',
      },
    ],
  },
  {
    name: 'only-kept-answers-are-cancelled',
    mistake: 'a condition without its "not": when a client leaves, what is to be kept is cancelled, and nothing else',
    rule: 'left-is-stopped',
    group: 'ends',
    patches: [
      {
        file: 'services/ingress/src/exchange.ts',
        find: '    if (!this.spec.keepResult) this.#cancel()\n  }\n\n  /** An asynchronous job',
        replace: '    if (this.spec.keepResult) this.#cancel()\n  }\n\n  /** An asynchronous job',
      },
    ],
  },
  {
    name: 'refused-without-a-time',
    mistake: 'only who sends too much is told when to come again',
    rule: 'refusals-say-when',
    group: 'faults',
    schedule: [{ fault: 'redis-crash', atMs: 1_000, lastsMs: 1_000 }],
    patches: [
      {
        file: 'services/ingress/src/plugins/errors.ts',
        find: 'detail.retryAfterSeconds ?? (status === 429 || status === 503 ? 1 : undefined)',
        replace: 'status === 429 ? (detail.retryAfterSeconds ?? 1) : undefined',
      },
    ],
  },
  {
    name: 'cancel-forgets-the-living',
    mistake: 'a cancel looks at the stored job, and there is none while the job lives',
    rule: 'no-internal-error',
    group: 'readers',
    patches: [
      {
        file: 'services/ingress/src/routes/jobs.ts',
        find: "found.kind === 'live' ? found.record.status : found.job.status)",
        replace: 'found.job.status)',
      },
    ],
  },
]
