import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packFrame } from '../../../../uapi/wire/codec.js';
import { FrameWriter } from '../../../../uapi/wire/frame-writer.js';

const LARGE = 16385;

describe('a frame writer', () => {
  it('gives what was written, in order, whatever its sizes and whenever it is taken', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('pieces' as const), sizes: fc.array(fc.constantFrom(0, 1, 900, LARGE, 70_000)) }),
      fc.record({ kind: fc.constant('frame' as const), number: fc.integer(), size: fc.nat(16_000) }),
      fc.record({ kind: fc.constantFrom('take' as const, 'sent' as const, 'dropped' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const writer = new FrameWriter();
        const expected: Uint8Array[] = [];
        const got: Uint8Array[] = [];
        const unsent: Uint8Array[] = [];
        const sent = () => got.push(...unsent.splice(0).map((piece) => piece.slice()));
        let fill = 0;
        for (const step of steps) {
          if (step.kind === 'pieces') {
            const pieces = step.sizes.map((size) => new Uint8Array(size).fill(++fill));
            writer.append(pieces);
            expected.push(...pieces);
          } else if (step.kind === 'frame') {
            const content = new Uint8Array(step.size).fill(++fill);
            writer.begin(30 + step.size);
            writer.array(2);
            writer.number(step.number);
            writer.binary(content);
            writer.end();
            expected.push(packFrame([step.number, content]).slice());
          } else if (step.kind === 'dropped') {
            writer.begin(100);
            writer.array(2);
            writer.number(7);
            writer.drop();
          } else {
            unsent.push(...writer.take());
            if (step.kind === 'sent') {
              sent();
              writer.reuse();
            }
          }
        }
        unsent.push(...writer.take());
        expect(writer.bytes).toBe(0);
        sent();
        expect(Buffer.concat(got).equals(Buffer.concat(expected))).toBe(true);
      }),
    );
  });

  it('does not copy what is large, and counts what it holds', () => {
    const writer = new FrameWriter();
    const large = new Uint8Array(LARGE);
    writer.append([Uint8Array.of(1), large, Uint8Array.of(2)]);
    expect(writer.bytes).toBe(LARGE + 2);
    expect(writer.take()[1]).toBe(large);
    expect(writer.bytes).toBe(0);
  });
});
