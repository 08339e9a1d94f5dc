import type { DialectData } from '../dialect.js';

/** The postings before 5.8: M1's numbers in a header at another place. */
export const P1: DialectData = { id: 'P1', title: 'postings before 5.8, the same as M1', parent: 'M1' };
