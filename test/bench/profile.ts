import { join } from 'node:path'
import { parseLoadShape } from './cells/throughput.ts'
import { type CpuProfile, summarizeProfile } from './measure/cpu-profile.ts'
import { connectInspector, type Inspector } from './measure/inspector.ts'
import { commandsBetween, createRedisProbe } from './measure/redis-commands.ts'
import type { Command } from './options.ts'
import { writeText } from './report/files.ts'
import { formatNumber, formatTable } from './report/format.ts'
import { type Workplace, withSession } from './session.ts'
import { startInferq } from './targets/inferq.ts'
import { models } from './targets/models.ts'

const warmUpMs = 3_000
const shownFunctions = 30
const shownRooms = 20
/** The inspector's default, 1 ms, is coarse for functions of a few microseconds. */
const samplingMicroseconds = 200

/**
 * CPU profiles of ingress and worker under a closed-loop cell, taken after a warm-up, and Redis' commands meanwhile.
 * With `out`, the profiles are kept there for DevTools. The profiler slows everything down: shares count, not rates.
 */
export function profileStack(command: Extract<Command, { kind: 'profile' }>, workplace: Workplace): Promise<string> {
  const { connections, stream } = parseLoadShape(command.cell)
  return withSession(workplace, async (session) => {
    const target = await startInferq({ ...session.surroundings, root: workplace.root, inspect: true })
    session.defer(target.stop)
    const redis = await createRedisProbe(target.redisUrl)
    session.defer(redis.close)
    const inspectors = {
      ingress: await connectInspector(target.ingress.inspectPort ?? 0),
      worker: await connectInspector(target.worker.inspectPort ?? 0),
    }
    const call = session.call(models.instant, stream)
    const task = { kind: 'closed-loop', endpoint: target.endpoint, call, connections } as const
    workplace.progress('warming up')
    await session.load.run<'closed-loop'>({ ...task, durationMs: warmUpMs })
    await Promise.all(Object.values(inspectors).map(startProfile))
    const before = await redis.read()
    workplace.progress('profiling')
    const result = await session.load.run<'closed-loop'>({ ...task, durationMs: command.seconds * 1000 })
    const commands = commandsBetween(before, await redis.read())

    const parts = [`${command.cell}: ${result.completed} requests, ${Math.round(result.completed / command.seconds)}/s`]
    for (const [fault, count] of Object.entries(result.faults)) parts.push(`WRONG: ${count} × ${fault}`)
    for (const [name, inspector] of Object.entries(inspectors)) {
      const profile = await stopProfile(inspector)
      if (command.out !== undefined) writeText(join(command.out, `${name}.cpuprofile`), JSON.stringify(profile))
      parts.push(describeProfile(name, profile, workplace.root))
    }
    const rows = commands.map(({ command: name, calls, microseconds }) => [
      name,
      formatNumber(calls / result.completed),
      formatNumber(microseconds / result.completed),
    ])
    parts.push(formatTable(['redis', 'calls per request', 'µs per request'], rows))
    return parts.join('\n\n')
  })
}

async function startProfile(inspector: Inspector): Promise<void> {
  await inspector.send('Profiler.enable')
  await inspector.send('Profiler.setSamplingInterval', { interval: samplingMicroseconds })
  await inspector.send('Profiler.start')
}

async function stopProfile(inspector: Inspector): Promise<CpuProfile> {
  const { profile } = (await inspector.send('Profiler.stop')) as { profile: CpuProfile }
  inspector.close()
  return profile
}

function describeProfile(name: string, profile: CpuProfile, root: string): string {
  const { busy, functions, rooms } = summarizeProfile(profile, root)
  const rows = functions
    .slice(0, shownFunctions)
    .map((entry) => [entry.name, entry.place, (entry.self * 100).toFixed(1)])
  const roomRows = rooms.slice(0, shownRooms).map(({ room, self }) => [room, (self * 100).toFixed(1)])
  return [
    `${name}, busy ${Math.round(busy * 100)} % of the time`,
    formatTable(['room, with what Node does for it', '%'], roomRows),
    formatTable(['function', 'place', 'self %'], rows),
  ].join('\n\n')
}
