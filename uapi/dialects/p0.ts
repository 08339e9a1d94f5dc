import type { DialectData } from '../dialect.js';

/** The dummy driver's prototype, before mainline: a record for each command, and a migrate whose record has 16 bytes. */
export const P0: DialectData = {
  id: 'P0',
  title: 'prototype before 5.8, never released',
  records: [
    { name: 'hmm_dmirror_read', fields: ['__u64 addr', '__u64 ptr', '__u64 npages', '__u64 cpages', '__u64 dpages'] },
    { name: 'hmm_dmirror_write', fields: ['__u64 addr', '__u64 ptr', '__u64 npages', '__u64 cpages', '__u64 dpages'] },
    { name: 'hmm_dmirror_migrate', fields: ['__u64 addr', '__u64 npages'] },
  ],
  recordOf: { WRITE: 'hmm_dmirror_write', MIGRATE: 'hmm_dmirror_migrate' },
  commands: { READ: 0, WRITE: 1, MIGRATE: 2 },
};
