import type { DialectData } from '../dialect.js';

/** A private branch, header blob 852c89a84c9e. */
export const BRef: DialectData = {
  id: 'B-ref',
  title: 'private branch with MIGRATE_REF',
  parent: 'M2',
  commands: { MIGRATE_REF: 4 },
};
