// Every dialect, parents before their children. The order is that of their history.

import type { DialectData } from '../dialect.js';
import { BGeneric } from './b-generic.js';
import { BOnfault } from './b-onfault.js';
import { BOnfaultFlags } from './b-onfault-flags.js';
import { BPublic } from './b-public.js';
import { BRef } from './b-ref.js';
import { BThp2020 } from './b-thp2020.js';
import { BTimeout } from './b-timeout.js';
import { BType04 } from './b-type04.js';
import { BType06 } from './b-type06.js';
import { BType07 } from './b-type07.js';
import { BUnlockable } from './b-unlockable.js';
import { dmirror } from './dmirror.js';
import { M1 } from './m1.js';
import { M1c } from './m1c.js';
import { M2 } from './m2.js';
import { M3 } from './m3.js';
import { M4 } from './m4.js';
import { M4a } from './m4a.js';
import { M4b } from './m4b.js';
import { M5 } from './m5.js';
import { M6 } from './m6.js';
import { M7 } from './m7.js';
import { P0 } from './p0.js';
import { P1 } from './p1.js';

export const ALL_DIALECTS: readonly DialectData[] = [
  ...[P0, M1, P1, M1c, M2, M3, M4a, M4b, M4, M5, M6, M7, dmirror],
  ...[BThp2020, BRef, BType04, BGeneric, BPublic, BType06, BType07, BUnlockable, BTimeout, BOnfault, BOnfaultFlags],
];
