import { jobStatuses, jobTypes } from '@inferq/contracts'
import { type Command, Option } from 'commander'
import { examples, keyOption, urlOption, wholeNumber } from './command-options.ts'
import type { CommandContext } from './context.ts'
import { pastTime } from './past-time.ts'

/** `inferq jobs …`: what operators do with jobs, most of all with those that failed. */
export function addJobCommands(program: Command, context: CommandContext, end: (code: number) => void): void {
  const jobs = program.command('jobs').description('Look at jobs of a running inferq, run them again, cancel them.')
  const load = () => import('./commands/jobs.ts')
  withFilters(jobs.command('list'))
    .description('Show jobs, the newest first.')
    .addOption(new Option('--status <status>', 'only those').choices(jobStatuses))
    .option('--limit <n>', 'how many at most', wholeNumber(1, 100_000), 20)
    .option('--json', 'whole jobs, one as JSON in each line')
    .addHelpText(
      'after',
      examples(
        'inferq jobs list --status failed --everybody --since 2h',
        'inferq jobs list --error-code upstream_timeout',
      ),
    )
    .action(async (options) => end(await (await load()).listJobs(options, context)))
  jobs
    .command('show')
    .description('Show a job with all its attempts, as JSON.')
    .argument('<id>')
    .addOption(urlOption())
    .addOption(keyOption())
    .action(async (id, options) => end(await (await load()).showJob(id, options, context)))
  withFilters(jobs.command('retry'))
    .description('Run jobs again that ended without a result, as new ones: those named, or all failed ones that fit.')
    .argument('[ids...]')
    .option('--failed', 'all failed jobs that fit the filters, instead of ids')
    .option('--limit <n>', 'how many at most', wholeNumber(1, 100_000), 1_000)
    .addHelpText(
      'after',
      `${examples('inferq jobs retry job_…', 'inferq jobs retry --failed --error-code upstream_unreachable --since 2h')}
A job is run again once in a day: the same command a second time shows the jobs that the first has made.
`,
    )
    .action(async (ids, options) => end(await (await load()).retryJobs(ids, options, context)))
  jobs
    .command('cancel')
    .description('Cancel jobs.')
    .argument('<ids...>')
    .addOption(urlOption())
    .addOption(keyOption())
    .action(async (ids, options) => end(await (await load()).cancelJobs(ids, options, context)))
}

function withFilters(command: Command): Command {
  return command
    .option('--error-code <code>', 'that ended with this error')
    .addOption(new Option('--type <type>', 'of this type').choices(jobTypes))
    .option('--model <name>', 'that asked for this model')
    .option('--class <name>', 'of this model class')
    .option('--owner <name>', "of this owner, with an administrator's key (default: your own)")
    .option('--everybody', "of all owners, with an administrator's key")
    .option('--since <time>', 'accepted after: 90m, 2h, 3d ago, or a date', pastTime)
    .option('--until <time>', 'accepted before: likewise', pastTime)
    .addOption(urlOption())
    .addOption(keyOption())
}
