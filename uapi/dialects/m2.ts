import type { DialectData } from '../dialect.js';

/** Linux 5.9 to 5.13, header blob 670b4ef2a5b6. */
export const M2: DialectData = {
  id: 'M2',
  title: 'Linux 5.9 to 5.13',
  aliases: ['5.9', '5.10', '5.11', '5.12', '5.13'],
  parent: 'M1',
  constants: { PROT_PMD: 0x04, PROT_PUD: 0x08 },
};
