import { configDefaults, defineConfig } from 'vitest/config';

// Tests import the sources of every workspace package; nothing has to be built first.
const conditions = ['@anneal/source'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    // In forks, not threads, so that a worker that tested code starts inherits this and the condition above.
    pool: 'forks',
    execArgv: ['--import', new URL('./scripts/source.mjs?workers', import.meta.url).href],
    clearMocks: true,
    restoreMocks: true,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['packages/**/test/**/*.test.ts', 'scripts/test/*.test.mjs'],
          // Templates are projects of others: their tests run where they are installed.
          exclude: [...configDefaults.exclude, 'packages/create/templates/**'],
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts', 'examples/*/test/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // Each of these runs training or the built command: one at a time, after the unit tests.
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
