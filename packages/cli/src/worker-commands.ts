import { type Command, Option } from 'commander'
import { configOption, examples, nameList, wholeNumber } from './command-options.ts'
import type { CommandContext } from './context.ts'

/** `worker`, and `node`, which runs one for each GPU. */
export function addWorkerCommands(program: Command, context: CommandContext, end: (code: number) => void): void {
  program
    .command('worker')
    .description('Run one worker. Needs REDIS_URL and reaches its backends; no Postgres.')
    .addOption(configOption())
    .option('--classes <names>', 'classes to serve, separated by commas (default: all)', nameList)
    .option('--gpu <index>', 'the GPU it is pinned to, by index or UUID (several for one model: 0,1)')
    .addOption(backendOption())
    .addOption(backendCommandOption())
    .option('--backend-port <port>', 'where the started backend listens (default: a free port)', wholeNumber(1, 65_535))
    .addOption(backendTimeoutOption())
    .option('--id <name>', 'its name among the workers (default: host name and a random part)')
    .addOption(drainOption())
    .addHelpText(
      'after',
      examples(
        'REDIS_URL=redis://redis:6379 inferq worker --classes llama3.1',
        'inferq worker --classes llama3.1 --gpu 0 --backend http://127.0.0.1:8000',
        "inferq worker --classes llama3.1 --gpu 0 --backend-command 'vllm serve <model> --port {port}'",
      ),
    )
    .action(async (options) => end(await (await import('./commands/worker.ts')).runWorker(options, context)))
  addNodeCommands(program, context, end)
}

function addNodeCommands(program: Command, context: CommandContext, end: (code: number) => void): void {
  const node = program.command('node').description('Run this machine as a GPU node: one worker for each GPU.')
  const load = () => import('./commands/node.ts')
  node
    .command('up')
    .description('Find the GPUs and run a pinned worker for each, with its backend if there is a command for it.')
    .addOption(configOption())
    .option('--classes <names>', 'classes to serve, separated by commas (default: all)', nameList)
    .option('--gpus <list>', 'GPUs to use, by index or UUID; none: the processor (default: all)')
    .addOption(backendOption())
    .addOption(backendCommandOption())
    .option(
      '--backend-port <port>',
      "where the first GPU's backend listens; the next ones follow (default: free ports)",
      wholeNumber(1, 65_535),
    )
    .addOption(backendTimeoutOption())
    .addOption(drainOption())
    .addHelpText(
      'after',
      examples(
        "inferq node up --classes llama3.1 --backend-command 'vllm serve <model> --port {port}'",
        "inferq node up --backend-command 'OLLAMA_HOST=127.0.0.1:{port} ollama serve'",
      ),
    )
    .action(async (options) => end(await (await load()).runNodeUp(options, context)))
  node
    .command('gpus')
    .description('Show the GPUs of this machine.')
    .action(async () => end(await (await load()).listGpus(context)))
}

function backendOption(): Option {
  return new Option('--backend <url>', 'the backend beside it: self-hosted models are called there; {gpu} is filled in')
}

function backendCommandOption(): Option {
  return new Option(
    '--backend-command <command>',
    'start this backend and keep it alive; {gpu} and {port} are filled in',
  )
}

function backendTimeoutOption(): Option {
  return new Option('--backend-timeout <seconds>', 'how long a backend may take to load')
    .argParser(wholeNumber(1, 86_400))
    .default(900)
}

function drainOption(): Option {
  return new Option('--drain <seconds>', 'time for running jobs at a stop (default: from the configuration)').argParser(
    wholeNumber(0, 86_400),
  )
}
