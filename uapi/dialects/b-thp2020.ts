import type { DialectData } from '../dialect.js';

/** The device-THP postings of 2020, header blob 39e6ef3b67b9: FLAGS where 5.14 has EXCLUSIVE. */
export const BThp2020: DialectData = {
  id: 'B-thp2020',
  title: 'device-THP postings of 2020',
  parent: 'M2',
  commands: { FLAGS: 4 },
  constants: { FLAG_FAIL_ALLOC: 1 },
};
