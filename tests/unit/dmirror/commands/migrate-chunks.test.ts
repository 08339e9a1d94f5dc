import { describe, expect, it } from 'vitest';
import { InjectPoint } from '../../../../driver/inject/inject-points.js';
import { folioPut } from '../../../../driver/mm/frames/folio.js';
import { doMadvise } from '../../../../driver/mm/vmas/madvise.js';
import { doMprotectPkey } from '../../../../driver/mm/vmas/mprotect.js';
import { mremap } from '../../../../driver/mm/vmas/mremap.js';
import { vmMunmap } from '../../../../driver/mm/vmas/munmap.js';
import { EFAULT, ENOMEM } from '../../../../uapi/errno.js';
import { HMM_DMIRROR_FLAG_FAIL_ALLOC } from '../../../../uapi/hmm-dmirror.js';
import { MADV_FREE, MREMAP_FIXED, MREMAP_MAYMOVE, PAGE_SIZE, PROT_READ } from '../../../../uapi/mman.js';
import { EQUAL_PATHS } from '../../../../uapi/path-name.js';
import { count } from '../../../counts.js';
import { BASE, RW } from '../../test-machine.js';
import { DeviceMachine } from '../device-machine.js';

const HUGE = 512;
const MIB2 = HUGE * PAGE_SIZE;
const PAGES = Array.from({ length: HUGE }, (_, i) => 100 + i);

/** Takes all of RAM but `blocks` times 511 single pages; what must be put again. */
function spoilHugePages({ memory }: DeviceMachine, blocks: number): number[] {
  const taken: number[] = [];
  for (let pfn = memory.allocator.allocateHuge(); pfn !== 0; pfn = memory.allocator.allocateHuge()) taken.push(pfn);
  for (const head of taken.slice(0, blocks)) {
    memory.frames.splitPage(head);
    for (let pfn = head + 1; pfn < head + HUGE; pfn++) folioPut(memory, pfn);
  }
  return taken;
}

describe.each(EQUAL_PATHS)('device memory in folios of 2 MiB, %s path', (path) => {
  function world(ramBytes = 32 << 20, seed?: number) {
    const options = { path, profile: '7.3', thpEnabled: 'always', ramBytes } as const;
    const w = new DeviceMachine(seed === undefined ? options : { ...options, seed });
    w.anon(0, HUGE);
    return { w, file: w.open(0) };
  }

  /** A written huge page that has gone to device 0 as one. */
  function onDevice() {
    const { w, file } = world();
    w.fill(0, HUGE, 100);
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, HUGE)).toMatchObject({ ret: 0, cpages: HUGE, words: PAGES });
    expect(w.text(0, HUGE)).toBe('PMD 0-511 PMD-DPRIV-W');
    w.check();
    return { w, file };
  }

  const snapshot = (w: DeviceMachine, minor = 0, npages = HUGE): string => {
    const { ret, bytes } = w.command(w.open(minor), 'SNAPSHOT', 0, npages);
    return `${ret} ${[...new Set(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')}`;
  };

  it('moves a huge page there as one, and the CPU brings it back as one', () => {
    const { w } = onDevice();
    expect(snapshot(w)).toBe('0 26');
    expect(w.words(7, 1)).toEqual([107]);
    expect(w.text(0, HUGE)).toBe('PMD 0-511 HUGE W');
    expect(w.words(0, HUGE)).toEqual(PAGES);
    w.check();
  });

  it('counts one entry a folio on the way back by ioctl', () => {
    const { w, file } = onDevice();
    expect(w.command(file, 'MIGRATE_TO_SYS', 0, HUGE)).toMatchObject({ ret: 0, cpages: 1 });
    expect(w.text(0, HUGE)).toBe('PMD 0-511 HUGE W');
    expect(w.words(0, HUGE)).toEqual(PAGES);
    w.check();
  });

  it('fills a hole of 2 MiB, and the place of the huge zero page, with one folio', () => {
    const { w, file } = world();
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, HUGE)).toMatchObject({ ret: 0, cpages: HUGE });
    expect(w.text(0, HUGE)).toBe('PMD 0-511 PMD-DPRIV-W');
    w.anon(0, HUGE, { prot: PROT_READ });
    expect(w.words(0, 1)).toEqual([0]);
    expect(w.text(0, HUGE)).toBe('PMD 0-511 HUGE_ZERO');
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, HUGE)).toMatchObject({ ret: 0, cpages: HUGE });
    expect([w.text(0, HUGE), snapshot(w)]).toEqual(['PMD 0-511 PMD-DPRIV-R', '0 25']);
    expect(new Set(w.words(0, HUGE))).toEqual(new Set([0]));
    w.check();
  });

  it('splits a folio of which only a part shall go', () => {
    const { w, file } = world();
    w.fill(0, HUGE, 100);
    expect(w.command(file, 'MIGRATE_TO_DEV', 1, HUGE - 1)).toMatchObject({ ret: 0, cpages: HUGE - 1 });
    expect(w.text(0, HUGE)).toBe('PTE 0 PRESENT W\nPTE 1-511 DPRIV-W');
    w.check();
  });

  it('leaves pinned and locked folios where they are', () => {
    const { w, file } = world();
    w.fill(0, HUGE, 100);
    const head = w.memory.frames.head(
      w.memory.mms
        .values()
        .next()
        .value!.pageTable.pmdTable(BASE / 4096)!
        .hi(0),
    );
    w.memory.frames.addPincount(head, 1);
    w.memory.frames.addRefcount(head, 1);
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, HUGE).ret).toBe(-2);
    expect(w.text(0, HUGE)).toBe('PMD 0-511 HUGE W');
    w.check();
  });

  describe('without a folio on the other side', () => {
    it('takes 512 pages of the device', () => {
      const { w, file } = world();
      w.fill(0, HUGE, 100);
      w.command(file, 'FLAGS', 0, HMM_DMIRROR_FLAG_FAIL_ALLOC);
      expect(w.command(file, 'MIGRATE_TO_DEV', 0, HUGE)).toMatchObject({ ret: 0, cpages: HUGE, words: PAGES });
      expect([w.text(0, HUGE), snapshot(w)]).toEqual(['PTE 0-511 DPRIV-W', '0 22']);
      expect(w.words(0, HUGE)).toEqual(PAGES);
      w.check();
    });

    it('takes 512 pages of system memory by ioctl', () => {
      const { w, file } = onDevice();
      w.command(file, 'FLAGS', 0, HMM_DMIRROR_FLAG_FAIL_ALLOC);
      expect(w.command(file, 'MIGRATE_TO_SYS', 0, HUGE)).toMatchObject({ ret: 0, cpages: HUGE });
      expect(w.text(0, HUGE)).toBe('PTE 0-511 PRESENT W');
      expect(w.words(0, HUGE)).toEqual(PAGES);
      w.check();
    });

    // The reference of the fault keeps the unmapped folio from being split, so that it goes back in small entries; the fault that
    // follows brings the one page. Linux: folio_split_unmapped()
    it('brings the CPU the page that it asked for, and splits the rest', () => {
      const { w, file } = onDevice();
      w.command(file, 'FLAGS', 0, HMM_DMIRROR_FLAG_FAIL_ALLOC);
      expect(w.words(7, 1)).toEqual([107]);
      expect(w.text(0, HUGE)).toBe('PTE 0-6 DPRIV-W\nPTE 7 PRESENT W\nPTE 8-511 DPRIV-W');
      expect(w.words(0, HUGE)).toEqual(PAGES);
      w.check();
    });

    it('fails the ioctl for a page, with everything back on the device; the CPU tries again', () => {
      const { w, file } = world();
      w.fill(0, HUGE, 100);
      w.command(file, 'FLAGS', 0, HMM_DMIRROR_FLAG_FAIL_ALLOC);
      w.command(file, 'MIGRATE_TO_DEV', 0, HUGE);
      w.command(file, 'FLAGS', 0, HMM_DMIRROR_FLAG_FAIL_ALLOC);
      expect(w.command(file, 'MIGRATE_TO_SYS', 0, HUGE).ret).toBe(-ENOMEM);
      expect(w.text(0, HUGE)).toBe('PTE 0-511 DPRIV-W');
      w.command(file, 'FLAGS', 0, HMM_DMIRROR_FLAG_FAIL_ALLOC);
      expect(w.words(7, 1)).toEqual([107]);
      expect(w.text(0, HUGE)).toBe('PTE 0-6 DPRIV-W\nPTE 7 PRESENT W\nPTE 8-511 DPRIV-W');
      w.check();
    });

    it('puts 512 pages into a hole of 2 MiB, and splits the huge zero page for them', () => {
      for (const touched of [false, true]) {
        const { w, file } = world();
        if (touched) w.words(0, 1);
        w.command(file, 'FLAGS', 0, HMM_DMIRROR_FLAG_FAIL_ALLOC);
        expect(w.command(file, 'MIGRATE_TO_DEV', 0, HUGE)).toMatchObject({ ret: 0, cpages: HUGE });
        expect(w.text(0, HUGE)).toBe('PTE 0-511 DPRIV-W');
        w.check();
      }
    });

    it('takes 512 pages when the device gets no new chunk', () => {
      const { w, file } = world();
      w.fill(0, HUGE, 100);
      const { inject } = w.memory.kernel;
      inject.reach = function* (point) {
        return point === InjectPoint.deviceChunkAlloc ? -ENOMEM : 0;
      };
      inject.armed = true;
      expect(w.command(file, 'MIGRATE_TO_DEV', 0, HUGE).ret).toBe(0);
      inject.armed = false;
      expect(w.text(0, HUGE)).toBe('PTE 0-511 DPRIV-W');
      w.check();
    });
  });

  describe('a folio on the device that is mapped in part', () => {
    it('keeps what munmap leaves; a fault splits it and brings one page', () => {
      const { w } = onDevice();
      w.run(vmMunmap(w.mm, BASE + 128 * PAGE_SIZE, 256 * PAGE_SIZE));
      expect(w.text(0, HUGE)).toBe('PTE 0-127 DPRIV-W\nPTE 128-383 NONE\nPTE 384-511 DPRIV-W');
      expect(w.words(400, 1)).toEqual([500]);
      expect(w.text(384, 128)).toBe('PTE 0-15 DPRIV-W\nPTE 16 PRESENT W\nPTE 17-127 DPRIV-W');
      w.check();
      expect(w.words(0, 128)).toEqual(PAGES.slice(0, 128));
      expect(w.words(384, 128)).toEqual(PAGES.slice(384));
      w.check();
    });

    // Only the unified walk can fail once it has taken pages. The fault locked its page itself and unlocks it itself.
    it('stays when the walk of the fault fails, with the lock of the page the fault has', () => {
      const { w } = onDevice();
      w.run(vmMunmap(w.mm, BASE + 128 * PAGE_SIZE, 256 * PAGE_SIZE));
      const { inject } = w.memory.kernel;
      let aborts = 0;
      inject.reach = function* (point) {
        return point === InjectPoint.walkAbort && aborts++ === 0 ? -EFAULT : 0;
      };
      inject.armed = true;
      expect(w.words(400, 1)).toEqual([path === 'unified' ? 'sigbus' : 500]);
      inject.armed = false;
      w.check();
      expect(w.words(384, 128)).toEqual(PAGES.slice(384));
      w.check();
    });

    it('loses the right to write as a whole, or page by page', () => {
      const { w } = onDevice();
      w.run(doMprotectPkey(w.mm, BASE, MIB2, PROT_READ));
      expect(w.text(0, HUGE)).toBe('PMD 0-511 PMD-DPRIV-R');
      w.run(doMprotectPkey(w.mm, BASE + PAGE_SIZE, PAGE_SIZE, RW));
      expect(w.text(0, HUGE)).toBe('PTE 0-511 DPRIV-R');
      w.fill(1, 1, 7);
      expect(w.text(0, 3)).toBe('PTE 0 DPRIV-R\nPTE 1 PRESENT W\nPTE 2 DPRIV-R');
      w.check();
    });

    it('goes back page by page through the ioctl, once it is split', () => {
      const { w, file } = onDevice();
      w.run(vmMunmap(w.mm, BASE, PAGE_SIZE));
      expect(w.command(file, 'MIGRATE_TO_SYS', 1, HUGE - 1)).toMatchObject({ ret: 0, cpages: HUGE - 1 });
      expect(w.text(0, HUGE)).toBe('PTE 0 NONE\nPTE 1-511 PRESENT W');
      w.check();
    });

    it('is passed over by MADV_FREE', () => {
      const { w } = onDevice();
      expect(w.run(doMadvise(w.mm, BASE, MIB2, MADV_FREE))).toBe(0);
      expect(w.text(0, HUGE)).toBe('PMD 0-511 PMD-DPRIV-W');
      w.check();
    });
  });

  it('moves with mremap as it is where both places are aligned, and in pages elsewhere', () => {
    const { w } = onDevice();
    const move = (from: number, to: number) => {
      const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
      w.run(
        mremap(w.mm, {
          addr: BASE + from * PAGE_SIZE,
          oldLen: MIB2,
          newLen: MIB2,
          flags,
          newAddr: BASE + to * PAGE_SIZE,
        }),
      );
    };
    move(0, 2 * HUGE);
    expect(w.text(2 * HUGE, HUGE)).toBe('PMD 0-511 PMD-DPRIV-W');
    move(2 * HUGE, 4 * HUGE + 5);
    expect(w.text(4 * HUGE + 5, HUGE)).toBe('PTE 0-511 DPRIV-W');
    expect(w.words(4 * HUGE + 5, HUGE)).toEqual(PAGES);
    w.check();
  });

  it('is shared by a fork; a write brings it back for both, and copies one page', () => {
    const { w } = onDevice();
    const child = w.fork();
    expect([w.text(0, HUGE), w.text(0, HUGE, child)]).toEqual(['PMD 0-511 PMD-DPRIV-R', 'PMD 0-511 PMD-DPRIV-R']);
    w.check();
    w.fill(3, 1, 9);
    expect(w.text(0, HUGE)).toBe('PTE 0-2 PRESENT R\nPTE 3 PRESENT W\nPTE 4-511 PRESENT R');
    expect(w.text(0, HUGE, child)).toBe('PMD 0-511 HUGE R');
    expect([w.words(3, 1), w.words(3, 1, child)]).toEqual([[9], [103]]);
    w.check();
  });

  it('splits a folio that two processes share when only pages are to be had, in both', () => {
    const { w, file } = world();
    w.fill(0, HUGE, 100);
    const child = w.fork();
    w.command(file, 'FLAGS', 0, HMM_DMIRROR_FLAG_FAIL_ALLOC);
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, HUGE)).toMatchObject({ ret: 0, cpages: HUGE, words: PAGES });
    expect([w.text(0, HUGE), w.text(0, HUGE, child)]).toEqual(['PTE 0-511 DPRIV-R', 'PTE 0-511 DPRIV-R']);
    expect(w.words(0, HUGE, child)).toEqual(PAGES);
    w.check();
  });

  it('faults what has to be faulted before it splits a folio that small entries map', () => {
    const { w, file } = world();
    w.fill(0, HUGE, 100);
    expect(w.command(file, 'EXCLUSIVE', 1, 1).ret).toBe(0);
    expect(w.text(0, HUGE)).toBe('PTE 0 PRESENT W\nPTE 1 DEXCL\nPTE 2-511 PRESENT W');
    expect(w.command(file, 'MIGRATE_ON_FAULT_TO_DEV', 0, HUGE)).toMatchObject({ ret: 0, cpages: HUGE, words: PAGES });
    expect(w.text(0, HUGE)).toBe('PTE 0-511 DPRIV-W');
    w.check();
  });

  it('leaves the device when a file is closed or RELEASE comes', () => {
    for (const how of ['close', 'RELEASE']) {
      const { w, file } = onDevice();
      if (how === 'RELEASE') expect(w.command(file, 'RELEASE', 0, 1).ret).toBe(0);
      else w.close(file);
      expect(w.text(0, HUGE)).toBe('PMD 0-511 HUGE W');
      expect(w.words(0, HUGE)).toEqual(PAGES);
      w.check();
    }
  });

  it('leaves the device in pages when no huge page is free', () => {
    const { w, file } = onDevice();
    const spoilt = spoilHugePages(w, 2);
    w.close(file);
    expect(w.text(0, HUGE)).toBe('PTE 0-511 PRESENT W');
    expect(w.words(0, HUGE)).toEqual(PAGES);
    for (const pfn of spoilt) folioPut(w.memory, pfn);
    w.check();
  });

  it('is foreign to another device: an error in its snapshot, pulled to system memory by its READ', () => {
    const { w } = onDevice();
    expect(snapshot(w, 1)).toBe('0 ff');
    expect(w.command(w.open(1), 'READ', 0, HUGE)).toMatchObject({ ret: 0, cpages: HUGE, faults: 1, words: PAGES });
    expect(w.text(0, HUGE)).toBe('PMD 0-511 HUGE W');
    w.check();
  });

  it('is pulled over to another device by migrate on fault', () => {
    const { w } = onDevice();
    expect(w.command(w.open(1), 'MIGRATE_TO_DEV', 0, HUGE).ret).toBe(-2);
    expect(w.command(w.open(1), 'MIGRATE_ON_FAULT_TO_DEV', 0, HUGE)).toMatchObject({
      ret: 0,
      cpages: HUGE,
      words: PAGES,
    });
    expect([w.text(0, HUGE), snapshot(w, 1)]).toEqual(['PMD 0-511 PMD-DPRIV-W', '0 26']);
    w.check();
  });

  it('waits for a migration that has the folio, and then takes it', () => {
    for (let seed = 1; seed <= count(8, 30); seed++) {
      const { w, file } = world(32 << 20, seed);
      w.fill(0, HUGE, 100);
      expect(w.command(file, 'MIGRATE_TO_DEV', 0, HUGE).ret).toBe(0);
      const { scheduler } = w.memory.kernel;
      const answers: number[] = [];
      for (const [slot, name] of (['MIGRATE_TO_SYS', 'MIGRATE_TO_DEV'] as const).entries()) {
        const command = w.commandTask(file, name, { at: 0, npages: HUGE, slot });
        scheduler.start(scheduler.newTask(name), command, ({ ret }) => {
          answers[slot] = ret;
        });
      }
      scheduler.run();
      expect([seed, answers]).toEqual([seed, [0, 0]]);
      w.check();
    }
  });

  it('is one of many: chunks of 512 pages from the address on, whole where they are aligned', () => {
    const { w, file } = world(64 << 20);
    w.anon(HUGE, HUGE);
    w.fill(0, 2 * HUGE, 100);
    expect(w.command(file, 'MIGRATE_TO_DEV', 256, 3 * 256).ret).toBe(0);
    expect(w.text(0, 2 * HUGE)).toBe('PTE 0-255 PRESENT W\nPTE 256-1023 DPRIV-W');
    w.check();
  });
});

it('gives a write to the huge zero page a new huge page', () => {
  const w = new DeviceMachine({ profile: '7.3', thpEnabled: 'always' });
  w.anon(0, HUGE);
  w.words(0, 1);
  const events = w.trace(['notifier'], () => w.fill(5, 1, 9));
  expect([w.text(0, HUGE), events]).toEqual(['PMD 0-511 HUGE W', ['CLEAR 0-512']]);
  expect(w.words(4, 3)).toEqual([0, 9, 0]);
  w.check();
});
