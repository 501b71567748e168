import { createSilentLog } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createStore, type LostJob, type Store } from '../src/index.ts'
import { type DatabaseServer, databaseKinds } from './support/database-servers.ts'
import { endOf, jobSpec, startOf } from './support/jobs.ts'

describe.each(databaseKinds())('jobs that Redis has lost, on $name', ({ start }) => {
  let server: DatabaseServer
  let store: Store

  beforeAll(async () => {
    server = await start()
    store = createStore({ url: server.url, log: createSilentLog() })
    const isThere = async (): Promise<boolean> =>
      store.ping().then(
        () => true,
        () => false,
      )
    await until(isThere)
    await store.migrate()
  })
  afterAll(async () => {
    await store?.close()
    await server?.stop()
  })

  it('are counted at every claim, have all it takes to run them, and need not start in time twice', async () => {
    const [waiting, started, ended] = [jobSpec(), jobSpec(), jobSpec()]
    await store.insertAccepted([waiting, started, ended])
    await store.commitOutcomes([startOf(started), endOf(ended)])
    const ids = [waiting, started, ended].map(({ id }) => id)
    const again = { ...started, startBy: started.finishBy }
    const byId = (jobs: readonly LostJob[]) => [...jobs].sort((a, b) => (a.spec.id < b.spec.id ? -1 : 1))
    const claims = (losses: number) =>
      byId([
        { spec: waiting, losses },
        { spec: again, losses },
      ])
    expect(byId(await store.claimLost(ids))).toEqual(claims(1))
    // Two controllers at once: neither gets the number of the other.
    const both = await Promise.all([store.claimLost(ids), store.claimLost(ids)])
    expect(both.map((jobs) => jobs.map(({ losses }) => losses)).sort()).toEqual([
      [2, 2],
      [3, 3],
    ])
    const lookup = await store.getJob(waiting.id, waiting.owner)
    expect(lookup).toMatchObject({ kind: 'found', job: { losses: 3 } })
    expect(await store.claimLost([])).toEqual([])
  })
})
