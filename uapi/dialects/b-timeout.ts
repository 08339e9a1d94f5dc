import type { DialectData } from '../dialect.js';

/** A posting of 7 July 2026, header blob 249ab2d9e3b2; the next one dropped the timeout again. */
export const BTimeout: DialectData = {
  id: 'B-timeout',
  title: 'posting of July 2026 with READ_UNLOCKED_TIMEOUT',
  parent: 'M7',
  commands: { READ_UNLOCKED_TIMEOUT: 10 },
};
