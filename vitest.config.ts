import { defineConfig } from 'vitest/config';

// The e2e tests run the built command, so `npm test` needs a `dist/` (made by `npm ci` or `npm run build`).
export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // Vitest leaves one core idle, which of two is half of the machine.
    maxWorkers: '100%',
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
