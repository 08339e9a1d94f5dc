import { defineConfig } from 'vitest/config';
import { SkippedReporter } from './tests/skipped.js';

/** Where CI wants the results in JSON. */
const { DMIRROR_RESULTS: outputFile } = process.env;

// The e2e tests run the built command, so `npm test` needs a `dist/` (made by `npm ci` or `npm run build`).
export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // A file's modules are loaded once a worker and not once a file, which is a third of what the short tests take. So no
    // helper registers hooks where it is loaded, and what a test replaces it puts back.
    isolate: false,
    // Vitest leaves one core idle, which of two is half of the machine.
    maxWorkers: '100%',
    // Each machine that a test makes has garbage collected, and helpers of the collector only take the other worker's core.
    execArgv: ['--single-threaded-gc'],
    reporters: ['default', new SkippedReporter(), ...(outputFile ? ['json'] : [])],
    ...(outputFile && { outputFile }),
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // A vitest that does not wait for its workers leaves its folder in TMPDIR.
    teardownTimeout: 600_000,
  },
});
