import type { DialectData } from '../dialect.js';

/** A posting of 2021, header blob b6cb8a7d2470: B-generic under other names. */
export const BPublic: DialectData = {
  id: 'B-public',
  title: 'public device type, MIGRATE goes both ways',
  parent: 'B-generic',
  constants: { PROT_DEV_GENERIC: null, MEMORY_DEVICE_GENERIC: null, PROT_DEV_PUBLIC: 0x40, MEMORY_DEVICE_PUBLIC: 2 },
};
