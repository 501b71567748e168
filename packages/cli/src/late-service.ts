import { createService, type Service } from '@inferq/runtime'

export interface LateService<S extends Service> extends Service {
  /** Once it has started. */
  made(): S
}

/** A service that is made when it is started, because what it is made of is not there before. */
export function createLateService<S extends Service>(name: string, make: () => S | Promise<S>): LateService<S> {
  let service: S | undefined
  return {
    ...createService({
      name,
      async start() {
        service = await make()
        await service.start()
      },
      quiet: () => service?.quiet?.(),
      stop: (deadline) => service?.stop(deadline),
    }),
    made() {
      if (service === undefined) throw new Error('asked before it has started')
      return service
    },
  }
}
