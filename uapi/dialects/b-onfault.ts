import type { DialectData } from '../dialect.js';

/** The migrate-on-fault RFC of 14 August 2025, header blob 4266f0a12201: a command put in at 3 moves all that follow up. */
export const BOnfault: DialectData = {
  id: 'B-onfault',
  title: 'migrate-on-fault RFC of August 2025',
  parent: 'M5',
  commands: {
    MIGRATE_ON_FAULT_TO_DEV: 3,
    MIGRATE_TO_SYS: 4,
    SNAPSHOT: 5,
    EXCLUSIVE: 6,
    CHECK_EXCLUSIVE: 7,
    RELEASE: 8,
  },
};
