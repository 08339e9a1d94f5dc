import type { DialectData } from '../dialect.js';

/** Linux 6.1 to 6.18, header blob 8c818a2cf4f6. */
export const M5: DialectData = {
  id: 'M5',
  aliases: ['6.1', '6.6', '6.12', '6.18'],
  recordBytes: 40,
  commands: {
    READ: 0,
    WRITE: 1,
    MIGRATE_TO_DEV: 2,
    MIGRATE_TO_SYS: 3,
    SNAPSHOT: 4,
    EXCLUSIVE: 5,
    CHECK_EXCLUSIVE: 6,
    RELEASE: 7,
  },
};
