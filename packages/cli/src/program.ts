import { Command, CommanderError } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import {
  configOption,
  examples,
  headerPair,
  hostOption,
  keyOption,
  portOption,
  urlOption,
  wholeNumber,
} from './command-options.ts'
import type { CommandContext } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { toCommandError } from './failures.ts'
import { addJobCommands } from './job-commands.ts'
import { addWorkerCommands } from './worker-commands.ts'

/**
 * Runs `inferq` with these arguments and gives its exit code; never throws. The commands are loaded when asked for: a
 * worker loads no HTTP server.
 */
export async function runProgram(args: readonly string[], context: CommandContext): Promise<number> {
  let code: number = exitCodes.ok
  const program = createProgram(context, (result) => {
    code = result
  })
  try {
    await program.parseAsync([...args], { from: 'user' })
    return code
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    const { message, mend, exitCode } = toCommandError(thrown)
    context.err(`inferq: ${message}\n${mend === undefined ? '' : `→ ${mend}\n`}`)
    return exitCode
  }
}

function createProgram(context: CommandContext, end: (code: number) => void): Command {
  const program = new Command('inferq')
    .description('A self-hosted inference queue with the face of an LLM gateway.')
    .version(packageJson.version)
    .exitOverride()
    .configureOutput({ writeOut: context.out, writeErr: context.err })
    .addHelpText('after', examples('inferq up', 'inferq worker --help'))

  program
    .command('up')
    .description('Run everything on this machine: Redis and Postgres (unless named), ingress, controller, workers.')
    .addOption(portOption())
    .addOption(hostOption())
    .addOption(configOption())
    .option('--workers <n>', 'worker processes', wholeNumber(1, 64), 1)
    .addHelpText('after', `${examples('inferq up --port 4100 --config inferq.yaml')}\n${upVariables}`)
    .action(async (options) => end(await (await import('./commands/up.ts')).runUp(options, context)))

  program
    .command('ingress')
    .description('Run one ingress: the HTTP face. Needs REDIS_URL and DATABASE_URL.')
    .addOption(portOption())
    .addOption(hostOption())
    .addOption(configOption())
    .addHelpText(
      'after',
      examples('REDIS_URL=redis://redis:6379 DATABASE_URL=postgres://… inferq ingress --host 0.0.0.0'),
    )
    .action(async (options) => end(await (await import('./commands/ingress.ts')).runIngress(options, context)))

  addWorkerCommands(program, context, end)

  program
    .command('controller')
    .description('Run one controller: it records outcomes in Postgres. Needs REDIS_URL and DATABASE_URL.')
    .addOption(configOption())
    .addHelpText('after', examples('REDIS_URL=redis://redis:6379 DATABASE_URL=postgres://… inferq controller'))
    .action(async (options) => end(await (await import('./commands/controller.ts')).runController(options, context)))

  program
    .command('migrate')
    .description('Bring the database at DATABASE_URL forward to this version, and end.')
    .addOption(configOption())
    .addHelpText('after', examples('DATABASE_URL=postgres://… inferq migrate'))
    .action(async (options) => end(await (await import('./commands/migrate.ts')).runMigrate(options, context)))

  addConfigCommands(program, context, end)
  addRouteCommands(program, context, end)
  addBatchCommands(program, context, end)
  addJobCommands(program, context, end)

  program
    .command('simulator', { hidden: true })
    .description('Run the built-in simulated backend (done by `inferq up`).')
    .option('--port <port>', 'port; 0: any', wholeNumber(0, 65_535), 0)
    .action(async (options) => end(await (await import('./commands/simulator.ts')).runSimulator(options, context)))

  // A command inherits these only when it is made by `command` after them: set for each.
  for (const command of program.commands) inherit(command, program)
  return program
}

function inherit(command: Command, parent: Command): void {
  command.exitOverride().configureOutput(parent.configureOutput())
  for (const inner of command.commands) inherit(inner, command)
}

function addConfigCommands(program: Command, context: CommandContext, end: (code: number) => void): void {
  const config = program
    .command('config')
    .description('Look at a configuration, or have a running inferq read it again.')
  config
    .command('check')
    .description('Check a configuration as a start would: every fault at once, or what is in it.')
    .argument('[file]', 'default: inferq.yaml if there is one, or INFERQ_CONFIG')
    .addHelpText('after', examples('inferq config check litellm-config.yaml'))
    .action(async (file) => end(await (await import('./commands/config-check.ts')).runConfigCheck(file, context)))
  config
    .command('show')
    .description('Print the effective configuration: file, includes, environment and defaults; secrets masked.')
    .argument('[file]', 'default: inferq.yaml if there is one, or INFERQ_CONFIG')
    .option('--json', 'as JSON instead of YAML')
    .action(async (file, options) =>
      end(await (await import('./commands/config-show.ts')).runConfigShow(file, options, context)),
    )
  config
    .command('reload')
    .description('Have a running ingress read its configuration again, and tell all processes.')
    .addOption(urlOption())
    .addHelpText('after', examples('INFERQ_MASTER_KEY=… inferq config reload --url http://ingress:4000'))
    .action(async (options) =>
      end(await (await import('./commands/config-reload.ts')).runConfigReload(options, context)),
    )
}

function addRouteCommands(program: Command, context: CommandContext, end: (code: number) => void): void {
  const route = program.command('route').description('Ask where requests go.')
  route
    .command('explain')
    .description('Tell what would become of a request, and why. Nothing is sent to a model.')
    .addOption(configOption())
    .option('--body <file>', 'the request as JSON; -: standard input (default: a greeting to the default model)')
    .option('--header <name=value>', 'a header of the request; may be repeated', headerPair, {})
    .option('--url <url>', 'ask this running ingress instead, which knows the state of the deployments')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples('inferq route explain --config inferq.yaml --body request.json --header x-inferq-user-tier=premium'),
    )
    .action(async (options) =>
      end(await (await import('./commands/route-explain.ts')).runRouteExplain(options, context)),
    )
}

function addBatchCommands(program: Command, context: CommandContext, end: (code: number) => void): void {
  const batches = program
    .command('batches')
    .description('Run the requests of a file on a running inferq, when there is nothing more urgent.')
  const load = () => import('./commands/batches.ts')
  batches
    .command('submit')
    .description('Upload a file of requests, one in each line, and have them run.')
    .argument('<file>', 'JSONL: {"custom_id": …, "method": "POST", "url": …, "body": …}')
    .option('--endpoint <path>', 'what the requests are for', '/v1/chat/completions')
    .option('--wait', 'until it has ended, showing how far it is; exit code 2: it did not complete')
    .addOption(urlOption())
    .addOption(keyOption())
    .addHelpText('after', examples('inferq batches submit requests.jsonl --wait'))
    .action(async (file, options) => end(await (await load()).submitBatch(file, options, context)))
  batches
    .command('get')
    .description('Show a batch, as JSON.')
    .argument('<id>')
    .addOption(urlOption())
    .addOption(keyOption())
    .action(async (id, options) => end(await (await load()).showBatch(id, options, context)))
  batches
    .command('list')
    .description('Show your batches, the newest first.')
    .option('--limit <n>', 'how many at most', wholeNumber(1, 100), 20)
    .addOption(urlOption())
    .addOption(keyOption())
    .action(async (options) => end(await (await load()).listBatches(options, context)))
  batches
    .command('cancel')
    .description('Start no more of its requests.')
    .argument('<id>')
    .addOption(urlOption())
    .addOption(keyOption())
    .action(async (id, options) => end(await (await load()).cancelBatch(id, options, context)))
  batches
    .command('download')
    .description('Write the answers of a batch to standard output, or a file.')
    .argument('<id>')
    .option('--errors', 'what was not answered, and why, instead')
    .option('--output <file>', 'a file to write to; it must not exist')
    .addOption(urlOption())
    .addOption(keyOption())
    .addHelpText('after', examples('inferq batches download batch_… --output answers.jsonl'))
    .action(async (id, options) => end(await (await load()).downloadBatch(id, options, context)))
}

const upVariables = `Environment:
  REDIS_URL, DATABASE_URL              use these instead of bringing our own
  OLLAMA_BASE_URL, VLLM_BASE_URL, OPENAI_API_KEY, OPENAI_BASE_URL
                                       backends, when no file names models
  ANTHROPIC_API_KEY, GEMINI_API_KEY, TOGETHER_API_KEY, GROQ_API_KEY, MISTRAL_API_KEY, DEEPSEEK_API_KEY,
  OPENROUTER_API_KEY                   likewise: every model of theirs, as anthropic/<model> and so on
  INFERQ_MASTER_KEY                    the key clients send; needed to listen on a public address
  INFERQ_SALT_KEY                      seals models added at run time (default: the master key)
  INFERQ_DATA_DIR                      where data is kept (default .inferq)
`
