// The plan of the house as data; docs/architecture.md explains it. scripts/checks/arrows.ts enforces it.

/** Upper rooms may use lower ones, never the other way round, and rooms on one level do not know each other. */
export const levels: readonly (readonly string[])[] = [
  ['contracts'],
  ['catalog'],
  ['config'],
  ['routing', 'telemetry', 'runtime'],
  [
    'admission',
    'cache',
    'files',
    'health',
    'liveconfig',
    'providers',
    'queue',
    'shares',
    'store',
    'tokenlog',
    'webhooks',
  ],
  ['ingress', 'worker', 'controller', 'console'],
  ['cli'],
]

/** A leaf stands outside the levels: it uses only what is named here, and only those named use it. Tests may too. */
export const leaves: Readonly<
  Record<string, { readonly uses: readonly string[]; readonly usedBy: readonly string[] }>
> = {
  simulator: { uses: ['contracts'], usedBy: ['cli'] },
}

/** Third-party modules that stop at their adapter. */
export const ownedModules: readonly { readonly owner: string; readonly modules: RegExp; readonly what: string }[] = [
  { owner: 'queue', modules: /^bullmq$/, what: 'bullmq' },
  { owner: 'store', modules: /^(pg|pg-.+|pgvector|postgres)$/, what: 'the Postgres client' },
  {
    owner: 'providers',
    modules:
      /^(openai|ollama|ai|cohere-ai|groq-sdk|replicate|@anthropic-ai\/.+|@ai-sdk\/.+|@google\/gen.+|@google-cloud\/vertexai|@mistralai\/.+|@huggingface\/inference|@aws-sdk\/client-bedrock.*)$/,
    what: 'an LLM SDK',
  },
]

/** Where `process.env` may be read: at the door (main.ts), in the command, and in the one reader everybody is handed. */
export function mayReadEnvironment(room: string, pathInRoom: string): boolean {
  return (
    /(^|\/)main\.ts$/.test(pathInRoom) ||
    room === 'cli' ||
    (room === 'runtime' && /^src\/environment[^/]*\.ts$/.test(pathInRoom))
  )
}
