import type { PlantedBug } from '../bug.ts'

/** What is judged of the system itself. */
export const systemBugs: readonly PlantedBug[] = [
  {
    name: 'nobody-hears-the-refusal',
    mistake: 'nobody takes the failure of a submit that nobody waits for: it ends the process',
    rule: 'nothing-crashes',
    group: 'readers',
    schedule: [{ fault: 'redis-crash', atMs: 1_000, lastsMs: 1_500 }],
    patches: [
      {
        file: 'services/ingress/src/answer-stream.ts',
        find: '        (thrown: unknown) => this.#exchange.refuse(toDetail(thrown)),\n',
        replace: '',
      },
    ],
  },
  {
    name: 'worker-is-forgotten-in-milliseconds',
    mistake: 'seconds for milliseconds: what a worker says of itself is gone at once',
    rule: 'comes-back',
    shows: /not on the list of workers/,
    group: 'ends',
    patches: [
      {
        file: 'packages/queue/src/worker-registry.ts',
        find: "JSON.stringify(registration), 'PX', lifetimeMs)",
        replace: "JSON.stringify(registration), 'PX', Math.ceil(lifetimeMs / 1000))",
      },
    ],
  },
  {
    name: 'outcomes-stay',
    mistake: 'outcomes are acknowledged, and not deleted',
    rule: 'nothing-is-left',
    shows: /reports are not recorded/,
    group: 'ends',
    patches: [
      {
        file: 'packages/queue/src/outcomes/create-outcome-consumer.ts',
        find: '    pipeline.xdel(stream, ...ids)\n',
        replace: '',
      },
    ],
  },
]
