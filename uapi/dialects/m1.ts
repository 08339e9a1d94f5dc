import type { DialectData } from '../dialect.js';

/** Linux 5.8, header blob 67b3b2e6ff5d. */
export const M1: DialectData = {
  id: 'M1',
  title: 'Linux 5.8, the first in mainline',
  aliases: ['5.8'],
  records: [
    { name: 'hmm_dmirror_cmd', fields: ['__u64 addr', '__u64 ptr', '__u64 npages', '__u64 cpages', '__u64 faults'] },
  ],
  commands: { READ: 0, WRITE: 1, MIGRATE_TO_DEV: 2, SNAPSHOT: 3 },
  // The header's MIGRATE always moved to the device; 6.0 said so in the name.
  spelling: { MIGRATE_TO_DEV: 'MIGRATE' },
  constants: {
    PROT_ERROR: 0xff,
    PROT_NONE: 0x00,
    PROT_READ: 0x01,
    PROT_WRITE: 0x02,
    PROT_ZERO: 0x10,
    PROT_DEV_PRIVATE_LOCAL: 0x20,
    PROT_DEV_PRIVATE_REMOTE: 0x30,
  },
};
