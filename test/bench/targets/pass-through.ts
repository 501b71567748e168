import { answers, freePort, partOf, startProgram } from './program.ts'
import type { Surroundings, Target } from './target.ts'

/** The least a gateway in Node can do: see pass-through-server.ts. */
export async function startPassThrough(surroundings: Surroundings): Promise<Target> {
  const { folder, environment, main, upstreamUrl } = surroundings
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const program = await startProgram({
    name: 'pass-through',
    args: ['--disable-warning=ExperimentalWarning', main, 'pass-through', String(port), upstreamUrl],
    environment,
    folder,
    ready: () => answers(`${url}/health`),
  })
  return {
    name: 'pass-through',
    description: 'node:http on both sides, bodies piped, nothing looked at',
    version: '',
    endpoint: { name: 'pass-through', baseUrl: `${url}/v1`, headers: {} },
    processes: [{ label: 'pass-through', pid: program.pid }],
    parts: [partOf('gateway', program)],
    stop: program.stop,
  }
}
