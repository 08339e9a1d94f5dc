import type { DialectData } from '../dialect.js';

/** Postings of 2021 and 2022, header blob 625f3690d086. */
export const BType06: DialectData = {
  id: 'B-type06',
  title: 'GET_MEM_DEV_TYPE at 6, record of 48 bytes',
  parent: 'B-type04',
  commands: { EXCLUSIVE: 4, CHECK_EXCLUSIVE: 5, GET_MEM_DEV_TYPE: 6 },
  constants: { MEMORY_DEVICE_COHERENT: 2 },
};
