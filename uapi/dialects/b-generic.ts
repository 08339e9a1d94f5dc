import type { DialectData } from '../dialect.js';

/** A vendor tree of 2021, header blob 1f2322286fba. The record says in alloc_to_devmem which way MIGRATE goes. */
export const BGeneric: DialectData = {
  id: 'B-generic',
  title: 'generic device type, MIGRATE goes both ways',
  parent: 'B-type04',
  records: [
    {
      name: 'hmm_dmirror_cmd',
      fields: [
        ...['__u64 addr', '__u64 ptr', '__u64 npages', '__u64 cpages', '__u64 faults'],
        ...['__u32 zone_device_type', '__u32 alloc_to_devmem'],
      ],
    },
  ],
  commands: { MIGRATE_TO_DEV: null, MIGRATE: 2 },
  spelling: { MIGRATE_TO_DEV: null },
  constants: { PROT_DEV_GENERIC: 0x40, MEMORY_DEVICE_GENERIC: 2 },
};
