import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { demoModels } from './demo.ts'
import { createSimulator, type SimulatorOptions } from './server.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    host: { type: 'string' },
    seed: { type: 'string' },
    /** A JSON file with SimulatorOptions; the flags above win over it. */
    config: { type: 'string' },
    /** Stop when the parent closes the IPC channel, or standard input where there is none. */
    'exit-with-parent': { type: 'boolean', default: false },
  },
})

const file: SimulatorOptions = values.config === undefined ? {} : JSON.parse(readFileSync(values.config, 'utf8'))
const simulator = createSimulator({
  ...file,
  models: file.models ?? demoModels,
  ...(values.port === undefined ? {} : { port: Number(values.port) }),
  ...(values.host === undefined ? {} : { host: values.host }),
  ...(values.seed === undefined ? {} : { seed: Number(values.seed) }),
})

function stop(): void {
  void simulator.stop().then(() => process.exit(0))
}

process.once('SIGTERM', stop)
process.once('SIGINT', stop)
if (values['exit-with-parent']) {
  if (process.connected) process.once('disconnect', stop)
  else process.stdin.once('close', stop).once('end', stop).resume()
}

await simulator.start()
process.stdout.write(`${JSON.stringify({ url: simulator.url, pid: process.pid, simulated: true })}\n`)
