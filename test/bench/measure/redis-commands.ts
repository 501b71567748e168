import { closeRedis, createRedis, createSilentLog, type Redis, whenRedisReady } from '@inferq/runtime'

/** What one command has been used for since Redis started. Calls from inside scripts are counted as calls. */
export interface CommandUse {
  readonly command: string
  readonly calls: number
  /** Time Redis spent in it. For a script this includes the commands inside it. */
  readonly microseconds: number
}

/** Looks at a Redis from outside the stack. */
export interface RedisProbe {
  read(): Promise<CommandUse[]>
  close(): Promise<void>
}

export async function createRedisProbe(url: string): Promise<RedisProbe> {
  const redis: Redis = createRedis({ url, role: 'command', name: 'bench', log: createSilentLog() })
  await whenRedisReady(redis, { timeoutMs: 5_000 })
  return {
    read: async () => parseCommandStats(await redis.info('commandstats')),
    close: () => closeRedis(redis),
  }
}

/** Reads `INFO commandstats`; lines of another shape are passed over. */
export function parseCommandStats(text: string): CommandUse[] {
  const uses: CommandUse[] = []
  for (const match of text.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm)) {
    uses.push({ command: match[1] ?? '', calls: Number(match[2]), microseconds: Number(match[3]) })
  }
  return uses
}

/** What was used between two readings, the most called first; the look itself (`info`) is left out. */
export function commandsBetween(before: readonly CommandUse[], after: readonly CommandUse[]): CommandUse[] {
  const earlier = new Map(before.map((use) => [use.command, use]))
  return after
    .map(({ command, calls, microseconds }) => ({
      command,
      calls: calls - (earlier.get(command)?.calls ?? 0),
      microseconds: microseconds - (earlier.get(command)?.microseconds ?? 0),
    }))
    .filter(({ command, calls }) => calls > 0 && command !== 'info')
    .toSorted((a, b) => b.calls - a.calls)
}
