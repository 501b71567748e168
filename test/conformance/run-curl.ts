import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface CurlAnswer {
  readonly status: number
  readonly body: string
}

/** Runs the commands of examples as a reader would: bash and curl, in one folder, with the variables of the page. */
export interface CurlRunner {
  run(commands: string, variables: Readonly<Record<string, string>>): Promise<CurlAnswer>
}

/** Goes after the answer of every curl command. */
const statusMark = '\n#status '

export async function createCurlRunner(folder: string): Promise<CurlRunner> {
  // Read by curl from CURL_HOME, so that the commands stay word for word.
  await writeFile(join(folder, '.curlrc'), `write-out = "\\n#status %{http_code}\\n"\nmax-time = 30\nshow-error\n`)
  return {
    async run(commands, variables) {
      const { PATH = '' } = process.env
      const child = spawn('bash', ['-euc', commands], {
        cwd: folder,
        env: { PATH, CURL_HOME: folder, HOME: folder, ...variables },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let stdout = ''
      let stderr = ''
      child.stdout.on('data', (chunk) => {
        stdout += String(chunk)
      })
      child.stderr.on('data', (chunk) => {
        stderr += String(chunk)
      })
      const [code] = await once(child, 'close')
      const mark = stdout.lastIndexOf(statusMark)
      if (mark === -1) throw new Error(`ended with ${code} and no answer: ${stderr}\n${commands}`)
      return { status: Number(stdout.slice(mark + statusMark.length)), body: stdout.slice(0, mark) }
    },
  }
}
