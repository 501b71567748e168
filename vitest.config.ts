import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'services/*/test/**/*.test.ts', 'scripts/**/test/**/*.test.ts'],
          globalSetup: './test/testkit/src/global-setup.ts',
          setupFiles: './test/testkit/src/property-seed.ts',
          pool: 'threads',
          isolate: false,
          // More than there are cores: most tests wait for a process or a socket.
          maxWorkers: 4,
          sequence: { groupOrder: 0 },
          // For what never ends: a busy machine may take its time for what does.
          testTimeout: 90_000,
          hookTimeout: 120_000,
        },
      },
      {
        // Whole processes, killed and restarted: few at a time, and patient.
        test: {
          name: 'whole',
          include: ['test/**/*.test.ts'],
          globalSetup: './test/testkit/src/global-setup.ts',
          setupFiles: './test/testkit/src/property-seed.ts',
          pool: 'forks',
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
