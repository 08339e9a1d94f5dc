import type { DialectData } from '../dialect.js';

/** A vendor tree of 2021, header blob ee88701793d5. The record has 48 bytes, so that every number differs from mainline's. */
export const BType04: DialectData = {
  id: 'B-type04',
  title: 'GET_MEM_DEV_TYPE at 4, record of 48 bytes',
  parent: 'M2',
  records: [
    {
      name: 'hmm_dmirror_cmd',
      fields: [
        ...['__u64 addr', '__u64 ptr', '__u64 npages', '__u64 cpages', '__u64 faults'],
        '__u64 zone_device_type',
      ],
    },
  ],
  commands: { GET_MEM_DEV_TYPE: 4 },
  constants: { MEMORY_DEVICE_PRIVATE: 1 },
};
