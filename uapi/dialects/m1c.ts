import type { DialectData } from '../dialect.js';

/** A posting, header blob 21cf4da6f020; M2 has PMD and PUD instead. */
export const M1c: DialectData = {
  id: 'M1c',
  title: 'posting with PROT_COMPOUND',
  parent: 'M1',
  constants: { PROT_COMPOUND: 0x04 },
};
