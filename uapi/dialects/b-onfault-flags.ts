import type { DialectData } from '../dialect.js';

/** The series on top of FLAGS, in a development tree, header blob 0b6e7a419e36. */
export const BOnfaultFlags: DialectData = {
  id: 'B-onfault-flags',
  title: 'migrate on fault on top of FLAGS',
  parent: 'B-onfault',
  commands: { FLAGS: 9 },
  constants: { FLAG_FAIL_ALLOC: 1 },
};
