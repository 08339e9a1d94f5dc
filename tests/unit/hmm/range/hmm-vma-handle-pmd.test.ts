import { describe, expect, it } from 'vitest';
import { splitHugePagesAll } from '../../../../driver/mm/huge/split-huge-pages.js';
import { MADV_COLLAPSE, MAP_FIXED, MAP_SHARED } from '../../../../uapi/mman.js';
import { EQUAL_PATHS } from '../../../../uapi/path-name.js';
import { DeviceMachine } from '../../dmirror/device-machine.js';
import { TestFile } from '../../mm/test-file.js';

const HUGE = 512;
const PAGES = Array.from({ length: HUGE }, (_, i) => 100 + i);
const HUGE_W = 'PMD 0-511 HUGE W';

describe.each(['6.12', '7.3'] as const)('a device and a tmpfs file of one folio, %s', (profile) => {
  describe.each(EQUAL_PATHS)('on the %s path', (path) => {
    function world() {
      const w = new DeviceMachine({ path, profile, ramBytes: 32 << 20 });
      const file = new TestFile(w.memory, HUGE);
      w.anon(0, HUGE, { file, flags: MAP_SHARED | MAP_FIXED });
      w.fill(0, HUGE, 100);
      expect(w.advise(0, HUGE, MADV_COLLAPSE)).toBe(0);
      expect(w.text(0, HUGE)).toBe(HUGE_W);
      return { w, file, device: w.open(0) };
    }

    it('sees it as 2 MiB, reads it, and writes to it', () => {
      const { w, device } = world();
      const { ret, bytes } = w.command(device, 'SNAPSHOT', 0, HUGE);
      // Writable, and mapped by a PMD.
      expect([ret, [...new Set(bytes)]]).toEqual([0, [0x06]]);
      expect(w.command(device, 'READ', 0, HUGE)).toMatchObject({ ret: 0, cpages: HUGE, words: PAGES });
      expect(w.command(device, 'WRITE', 0, 1).ret).toBe(0);
      expect([w.load(1), w.text(0, HUGE)]).toEqual([101, HUGE_W]);
      w.check();
    });

    it('reads what the CPU writes after a collapse of pages that it had mirrored', () => {
      const { w, device } = world();
      expect(w.command(device, 'READ', 0, HUGE).words).toEqual(PAGES);
      w.run(splitHugePagesAll(w.memory));
      expect(w.load(0)).toBe(100);
      expect(w.command(device, 'READ', 0, HUGE).words).toEqual(PAGES);
      expect(w.advise(0, HUGE, MADV_COLLAPSE)).toBe(0);
      w.fill(5, 1, 7);
      expect(w.command(device, 'READ', 5, 1).words).toEqual([7]);
      w.check();
    });

    it('takes no page of it, which a migration may have split', () => {
      const { w, file, device } = world();
      for (const command of ['MIGRATE_TO_DEV', 'MIGRATE_ON_FAULT_TO_DEV'] as const) {
        const { cpages } = w.command(device, command, 0, HUGE);
        expect(cpages).toBe(0);
        w.check();
        expect(w.words(0, HUGE)).toEqual(PAGES);
      }
      expect(w.command(device, 'READ', 0, HUGE).words).toEqual(PAGES);
      expect(w.command(device, 'EXCLUSIVE', 0, 2).ret).toBeLessThan(0);
      w.check();
      expect(w.words(0, HUGE)).toEqual(PAGES);
      expect(file.mapping.pages.count).toBe(HUGE);
    });
  });
});
