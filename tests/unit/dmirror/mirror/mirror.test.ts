import { describe, expect, it } from 'vitest';
import { Mirror, MirrorTag, mirrorAccess, mirrorPfn, mirrorTag } from '../../../../driver/dmirror/mirror/mirror.js';
import { FrameAllocator } from '../../../../driver/mm/frames/frame-allocator.js';
import { Frames } from '../../../../driver/mm/frames/frames.js';
import { KernelMemory } from '../../../../driver/mm/frames/kernel-memory.js';

const newMirror = () => new Mirror(new KernelMemory(new FrameAllocator(new Frames(512, 0, 0))));

describe('the mirror table', () => {
  it('keeps a pfn and a tag a page, and knows what it lacks', () => {
    const mirror = newMirror();
    mirror.store(0x10_0000_0000, 77, MirrorTag.write);
    mirror.store(511, 2 ** 29, MirrorTag.atomic);
    expect(mirrorPfn(mirror.get(0x10_0000_0000))).toBe(77);
    expect(mirrorTag(mirror.get(0x10_0000_0000))).toBe(MirrorTag.write);
    expect(mirrorPfn(mirror.get(511))).toBe(2 ** 29);
    expect(mirror.get(510)).toBe(0);
    expect(mirror.get(0x10_0000_0200)).toBe(0);
  });

  it.each([
    [0, 2 ** 52],
    [5, 600],
    [512, 1023],
  ])('erases pages %d to %d, both included', (first, last) => {
    const mirror = newMirror();
    for (let vpn = 0; vpn < 2000; vpn++) mirror.store(vpn, vpn + 1, MirrorTag.read);
    mirror.erase(first, last);
    for (let vpn = 0; vpn < 2000; vpn++) expect(mirror.get(vpn) === 0).toBe(vpn >= first && vpn <= last);
  });

  it('finds atomic pages only inside of the range', () => {
    const mirror = newMirror();
    mirror.store(600, 3, MirrorTag.atomic);
    mirror.store(601, 3, MirrorTag.write);
    expect(mirror.hasAtomic(0, 600)).toBe(false);
    expect(mirror.hasAtomic(0, 2 ** 52)).toBe(true);
    expect(mirror.hasAtomic(601, 700)).toBe(false);
  });

  it('names what the device may do, of frame 0 too', () => {
    const mirror = newMirror();
    const entries = [
      [7, MirrorTag.read],
      [7, MirrorTag.atomic],
      [7, MirrorTag.write],
      [0, MirrorTag.read],
    ] as const;
    const accesses = entries.map(([pfn, tag], vpn) => {
      mirror.store(vpn, pfn, tag);
      return `${mirrorAccess(mirror.get(vpn))} ${mirrorPfn(mirror.get(vpn))}`;
    });
    expect(accesses).toEqual(['read 7', 'atomic 7', 'write 7', 'read 0']);
  });
});
