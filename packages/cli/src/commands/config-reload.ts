import { askIngress, messageOf } from '../ask-ingress.ts'
import type { CommandContext } from '../context.ts'
import { CommandError, exitCodes } from '../exit-codes.ts'

/** Has a running ingress read its configuration again, and tell all processes. Throws CommandError 3 with every fault. */
export async function runConfigReload(options: { readonly url?: string }, context: CommandContext): Promise<number> {
  const answer = await askIngress('/config/reload', { url: options.url, variables: context.variables })
  if (answer.status === 200) {
    const { changed, fingerprint } = answer.body
    context.out(`${changed === true ? 'reloaded' : 'nothing has changed'}: ${String(fingerprint).slice(0, 12)}\n`)
    return exitCodes.ok
  }
  throw new CommandError(answer.status === 400 ? exitCodes.configInvalid : exitCodes.failed, messageOf(answer))
}
