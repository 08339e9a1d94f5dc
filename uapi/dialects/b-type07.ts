import type { DialectData } from '../dialect.js';

/** A posting of January 2022, header blob e190b2ab6f19: mainline's order of 6.0 with the 48-byte record. */
export const BType07: DialectData = {
  id: 'B-type07',
  title: 'GET_MEM_DEV_TYPE at 7, record of 48 bytes',
  parent: 'B-type06',
  commands: { MIGRATE_TO_SYS: 3, SNAPSHOT: 4, EXCLUSIVE: 5, CHECK_EXCLUSIVE: 6, GET_MEM_DEV_TYPE: 7 },
  spelling: { MIGRATE_TO_DEV: null },
  constants: { PROT_DEV_COHERENT_LOCAL: 0x40, PROT_DEV_COHERENT_REMOTE: 0x50 },
};
