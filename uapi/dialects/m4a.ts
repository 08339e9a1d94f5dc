import type { DialectData } from '../dialect.js';

/** One commit inside the 6.0 merge window, header blob 0511af7464ee: MIGRATE is split, and all that follow move up. */
export const M4a: DialectData = {
  id: 'M4a',
  title: 'inside the 6.0 merge window, first step',
  parent: 'M3',
  commands: { MIGRATE_TO_SYS: 3, SNAPSHOT: 4, EXCLUSIVE: 5, CHECK_EXCLUSIVE: 6 },
  spelling: { MIGRATE_TO_DEV: null },
  constants: { MEMORY_DEVICE_PRIVATE: 1 },
};
