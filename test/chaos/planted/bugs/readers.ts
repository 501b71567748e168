import type { PlantedBug } from '../bug.ts'

/** What readers of a job's events see. */
export const readerBugs: readonly PlantedBug[] = [
  {
    name: 'end-is-told-again',
    mistake: 'an end that comes alone is told once in its turn, and once more as the end',
    rule: 'terminal-event-once',
    group: 'readers',
    patches: [
      {
        file: 'services/ingress/src/event-reader.ts',
        find: '    this.#orphanTries = 0\n    this.#silentBeats = 0\n',
        replace:
          '    this.#orphanTries = 0\n    this.#silentBeats = 0\n    if (ended && entries.length === 1) text += text\n',
      },
    ],
  },
  {
    name: 'goodbye-after-the-end',
    mistake: 'browsers are told to close the stream: by one more event',
    rule: 'nothing-after-the-end',
    group: 'readers',
    patches: [
      {
        file: 'services/ingress/src/event-reader.ts',
        find: '      this.#writer.end(text)\n',
        replace: "      this.#writer.end(text + 'event: stream.closed\\ndata: {}\\n\\n')\n",
      },
    ],
  },
  {
    name: 'last-event-id-is-not-read',
    mistake: 'only ?after= says where to read on, not the header that browsers send',
    rule: 'ids-ascend',
    group: 'ends',
    patches: [
      {
        file: 'services/ingress/src/routes/job-events.ts',
        find: "const text = typeof header === 'string' && header !== '' ? header : after",
        replace: 'const text = after',
      },
    ],
  },
  {
    name: 'resume-skips-one',
    mistake: 'off by one: reading on begins with the second event after the last one seen',
    rule: 'no-gap',
    group: 'readers',
    patches: [
      {
        file: 'services/ingress/src/routes/job-events.ts',
        find: '  if (position !== null) return position\n',
        replace: '  if (position !== null) return { ...position, seq: position.seq + 1 }\n',
      },
    ],
  },
  {
    name: 'queued-just-now',
    mistake: 'an event tells the time at which it is read, not the time at which it happened',
    rule: 'readers-agree',
    group: 'readers',
    patches: [
      {
        file: 'services/ingress/src/dialects/job-events.ts',
        find: 'class: queued.class, at: queued.at / 1000 }',
        replace: 'class: queued.class, at: Date.now() / 1000 }',
      },
    ],
  },
  {
    name: 'end-before-the-last-words',
    mistake: 'the job is ended without waiting for its last words to be in the log',
    rule: 'text-is-the-answer',
    group: 'faults',
    patches: [
      {
        file: 'services/worker/src/run-attempt.ts',
        find: '      if (!attempt.writer.isFlushed) await orAborted(attempt.writer.flush(), signal)\n',
        replace: '',
      },
    ],
  },
]
