import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../../driver/mm/frames/frames.js';
import { Ram } from '../../../../driver/mm/frames/ram.js';
import { runs } from '../../../counts.js';

/** More than two words of frames, so that runs begin and end in and between words. */
const FRAMES = 80;

const run = fc.tuple(fc.nat(FRAMES - 1), fc.integer({ min: 1, max: FRAMES })).map(([pfn, most]) => ({
  pfn,
  frames: Math.min(most, FRAMES - pfn),
}));
const op = fc.oneof(
  fc.record({ what: fc.constant('write' as const), run, value: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ what: fc.constant('clear' as const), run }),
  fc.record({ what: fc.constant('copy' as const), run, to: fc.nat(FRAMES - 1) }),
);

describe('Ram', () => {
  it('holds what was written, copied and cleared, and knows of each frame that may not be zero', () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 20 }), (ops) => {
        const ram = new Ram(FRAMES * PAGE_SIZE);
        const model = new Uint8Array(FRAMES);
        for (const { run: at, ...done } of ops) {
          const end = at.pfn + at.frames;
          if (done.what === 'write') {
            ram.setWritten(at.pfn, at.frames);
            for (let pfn = at.pfn; pfn < end; pfn++) ram.bytes[pfn * PAGE_SIZE + 7] = done.value;
            model.fill(done.value, at.pfn, end);
          } else if (done.what === 'clear') {
            ram.clear(at.pfn, at.frames);
            model.fill(0, at.pfn, end);
            expect(ram.isWritten(at.pfn)).toBe(false);
          } else {
            const frames = Math.min(at.frames, FRAMES - done.to);
            const isApart = done.to >= at.pfn + frames || done.to + frames <= at.pfn;
            if (!isApart) continue;
            ram.copy(done.to, at.pfn, frames);
            model.copyWithin(done.to, at.pfn, at.pfn + frames);
          }
          expect(ram.firstUnsaid(0, FRAMES)).toBe(-1);
        }
        expect(Array.from(model, (_, pfn) => ram.bytes[pfn * PAGE_SIZE + 7])).toEqual([...model]);
      }),
      runs(100, 200),
    );
  });

  it('finds a frame that somebody wrote without a word', () => {
    const ram = new Ram(FRAMES * PAGE_SIZE);
    ram.setWritten(3);
    ram.words[3 * 1024] = 1;
    expect(ram.firstUnsaid(0, FRAMES)).toBe(-1);
    ram.words[77 * 1024 + 1023] = 1;
    expect(ram.firstUnsaid(0, FRAMES)).toBe(77);
  });
});
