import type { Service } from '@inferq/runtime'

/** A configuration that only the test changes. Has the shape of liveconfig's LiveConfig. */
export interface TestLiveConfig<Config> extends Service {
  current(): Config
  onChange(listener: (config: Config, before: Config) => void): () => void
  reload(): Promise<{ readonly kind: 'loaded'; readonly config: Config; readonly changed: false }>
  check(): Promise<{ readonly kind: 'config'; readonly config: Config }>
  /** From now on, for everybody. */
  swap(config: Config): void
}

export function createTestLiveConfig<Config>(initial: Config): TestLiveConfig<Config> {
  let config = initial
  const listeners = new Set<(config: Config, before: Config) => void>()
  return {
    name: 'test-config',
    start: async () => {},
    stop: async () => {},
    current: () => config,
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    reload: async () => ({ kind: 'loaded', config, changed: false }),
    check: async () => ({ kind: 'config', config }),
    swap(next) {
      const before = config
      config = next
      for (const listener of listeners) listener(config, before)
    },
  }
}
