import { expect, it } from 'vitest';
import { CLEAR_REFS, clearRefsWrite } from '../../../../driver/mm/tables/clear-refs.js';
import { Pte } from '../../../../driver/mm/tables/entry.js';
import { pmdIndex } from '../../../../driver/mm/tables/page-table.js';
import { mremap } from '../../../../driver/mm/vmas/mremap.js';
import { MREMAP_FIXED, MREMAP_MAYMOVE } from '../../../../uapi/mman.js';
import { DeviceMachine } from '../../dmirror/device-machine.js';
import { BASE, HUGE, PAGE } from '../../test-machine.js';

it.each([
  ['that is present is soft-dirty afterwards', false, 'PMD 0-511 HUGE R', Pte.softDirty],
  ['that a device has is as soft-dirty as before', true, 'PMD 0-511 PMD-DPRIV-R', 0],
])('a 2 MiB page %s, as mremap leaves it', (_what, isOnDevice, text, softDirty) => {
  const world = new DeviceMachine({ profile: '7.3', thpEnabled: 'madvise' });
  world.mapHuge(0, 512);
  world.fill(0);
  world.run(clearRefsWrite(world.mm, CLEAR_REFS.softDirty));
  if (isOnDevice) world.command(world.open(0), 'MIGRATE_TO_DEV', 0, 512);
  const to = BASE + 2048 * PAGE;
  const request = { addr: BASE, oldLen: HUGE, newLen: HUGE, flags: MREMAP_MAYMOVE | MREMAP_FIXED, newAddr: to };
  expect(world.run(mremap(world.mm, request))).toBe(to);
  expect(world.text(2048, 512)).toBe(text);
  expect(world.mm.pageTable.pmdTable(to / PAGE)!.lo(pmdIndex(to / PAGE)) & Pte.softDirty).toBe(softDirty);
  world.check();
});
