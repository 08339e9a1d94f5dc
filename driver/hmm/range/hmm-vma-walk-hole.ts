import { vmaIsAnonymous } from '../../mm/vmas/vma.js';
import { isCompoundRange, type PmdRange } from '../migrate/migrate-thp.js';
import { MigrateSelect } from '../migrate/migrate-vma.js';
import { HmmPfn } from './hmm-range.js';
import {
  faultPart,
  hmmPfnsFill,
  hmmRangeNeedFault,
  hmmSelectMigrate,
  type Stop,
  type VmaWalk,
} from './hmm-vma-walk.js';

/** Nothing is mapped in `[vpn, end)`. Linux: mm/hmm.c:hmm_vma_walk_hole() */
export function hmmVmaWalkHole(part: VmaWalk, unit: PmdRange): Stop | null {
  const need = hmmRangeNeedFault(part.walk, unit, 0);
  return need !== 0 ? faultPart(part, need, unit) : fillHole(part, unit);
}

/** Nothing is mapped, and nothing need be: a hole that a migration may fill, if the memory is anonymous. */
export function fillHole(part: VmaWalk, { vpn, end }: PmdRange): null {
  const { walk, vma } = part;
  const { flags, pfns } = walk.range;
  walk.memory.stats.holes++;
  if (vmaIsAnonymous(vma) && isCompoundWanted(part, { vpn, end })) {
    hmmPfnsFill(walk, { vpn, end }, 0);
    flags[vpn - walk.firstVpn] = HmmPfn.migrate | HmmPfn.compound;
    return null;
  }
  for (let i = vpn - walk.firstVpn; i < end - walk.firstVpn; i++) {
    flags[i] = vmaIsAnonymous(vma) && hmmSelectMigrate(part, flags[i]!) !== null ? HmmPfn.migrate : 0;
    pfns[i] = 0;
  }
  return null;
}

/** Is all of `[vpn, end)`, which lies under one entry, wanted as one? */
export function isCompoundWanted(part: VmaWalk, { vpn, end }: PmdRange): boolean {
  const { range, firstVpn } = part.walk;
  const isWanted = (input: number): boolean => {
    const filter = hmmSelectMigrate(part, input);
    return filter !== null && (filter.select & MigrateSelect.compound) !== 0;
  };
  if (!isCompoundRange({ vpn, end })) return false;
  if (range.pfnFlagsMask === 0) return isWanted(0);
  return range.flags.subarray(vpn - firstVpn, end - firstVpn).every(isWanted);
}
