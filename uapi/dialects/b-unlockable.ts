import type { DialectData } from '../dialect.js';

/** The mm tree in the middle of 2026, header blob 076df6df9227: M7 with the earlier name. */
export const BUnlockable: DialectData = {
  id: 'B-unlockable',
  title: 'mm tree of mid 2026, READ_UNLOCKABLE',
  parent: 'M6',
  commands: { READ_UNLOCKED: 9 },
  spelling: { READ_UNLOCKED: 'READ_UNLOCKABLE' },
};
