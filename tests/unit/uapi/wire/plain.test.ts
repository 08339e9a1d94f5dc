import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CallArg, CallResult } from '../../../../uapi/system-call.js';
import { packFrame, type WireValue } from '../../../../uapi/wire/codec.js';
import { HEADER_BYTES } from '../../../../uapi/wire/frame.js';
import { FrameWriter } from '../../../../uapi/wire/frame-writer.js';
import {
  BadMessageError,
  readAnyReply,
  readAnyRequest,
  readReply,
  readRequest,
} from '../../../../uapi/wire/message.js';
import { readPlainCall, readPlainResult, writePlainCall, writePlainResult } from '../../../../uapi/wire/plain.js';
import { runs } from '../../../counts.js';

const u32 = fc.oneof(fc.nat(300), fc.nat(0xffffffff), fc.nat(0x1ffff));
const whole = fc.oneof(
  u32,
  fc.integer({ min: -200, max: 200 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constant(0x7ffffffde000),
);
const text = fc.oneof(fc.constantFrom('ioctl', 'mmap', 'store', '/dev/hmm_dmirror0'), fc.string({ maxLength: 40 }));
const bytes = fc.uint8Array({ maxLength: 300 });
const call = fc.record({
  id: u32,
  tid: u32,
  name: text,
  args: fc.array(fc.oneof(whole, text, bytes), { maxLength: 17 }) as fc.Arbitrary<CallArg[]>,
});

function written(write: (writer: FrameWriter) => boolean): Uint8Array | undefined {
  const writer = new FrameWriter();
  if (!write(writer)) {
    expect(writer.take()).toEqual([]);
    return undefined;
  }
  return Buffer.concat(writer.take());
}

const payloadOf = (message: WireValue) => packFrame(message).slice(HEADER_BYTES);
/** A Buffer's bytes are as good as an array's. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

function attempt<T>(work: () => T): T | string {
  try {
    return work();
  } catch (error) {
    expect(error).toBeInstanceOf(BadMessageError);
    return (error as Error).message;
  }
}

describe('a plain call', () => {
  it('is written byte by byte as the general writer does, unless it is left to that', () => {
    let count = 0;
    fc.assert(
      fc.property(call, ({ id, tid, name, args }) => {
        const frame = written((writer) => writePlainCall(writer, { id, tid, name, args }));
        if (frame === undefined) return;
        count++;
        expect(frame).toEqual(Buffer.from(packFrame([1, id, tid, name, args])));
      }),
      { numRuns: 2000 },
    );
    expect(count).toBeGreaterThan(500);
  });

  it('is read as the general reader does, whatever the bytes are', () => {
    const params = runs(1000, 20_000);
    const near = fc.tuple(call, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), fc.nat(3));
    let count = 0;
    fc.assert(
      fc.property(near, ([{ id, tid, name, args }, changes, cut]) => {
        const payload = payloadOf([1, id, tid, name, args]).slice();
        for (const [at, byte] of changes) payload[at % payload.length] = byte;
        const sent = payload.subarray(0, payload.length - cut);
        if (readPlainCall(sent) !== undefined) count++;
        expect(plain(attempt(() => readRequest(sent)))).toEqual(plain(attempt(() => readAnyRequest(sent))));
      }),
      params,
    );
    expect(count).toBeGreaterThan(params.numRuns / 20);
  });

  it.each<[string, WireValue]>([
    ['an id above 32 bits', [1, 2 ** 32, 1, 'mmap', []]],
    ['a negative thread', [1, 1, -1, 'mmap', []]],
    ['a fraction', [1, 1, 1, 'mmap', [0.5]]],
    ['a number that is not exact', [1, 1, 1, 'mmap', [2 ** 60]]],
    ['nil', [1, 1, 1, 'mmap', [null]]],
    ['a list', [1, 1, 1, 'mmap', [[1]]]],
    ['six elements', [1, 1, 1, 'mmap', [], 0]],
    ['text beyond ASCII', [1, 1, 1, 'open', ['/tmp/ä']]],
    ['long text', [1, 1, 1, 'open', ['x'.repeat(32)]]],
    ['many arguments', [1, 1, 1, 'mmap', new Array(16).fill(0)]],
  ])('with %s is left to the general reader', (_name, message) => {
    expect(readPlainCall(payloadOf(message))).toBeUndefined();
  });

  it('with a text that has more characters than a call has room for arguments is left to the general reader', () => {
    const long = 'x'.repeat(1_000_000);
    const payload = payloadOf([1, 3, 1, 'open', [long, 0, 0]]);
    expect(readPlainCall(payload)).toBeUndefined();
    expect(readRequest(payload, false)).toMatchObject({ kind: 'call', name: 'open', args: [long, 0, 0] });
  });

  it('with an argument of no kind is left to the general writer', () => {
    for (const arg of [null, undefined, true, {}]) {
      const args = [arg] as unknown as CallArg[];
      expect(written((writer) => writePlainCall(writer, { id: 1, tid: 1, name: 'mmap', args }))).toBeUndefined();
    }
  });

  it('of memory that is lent has bytes of its own', () => {
    const lent = payloadOf([1, 1, 1, 'store', [4096, Uint8Array.of(1, 2, 3)]]);
    for (const payload of [lent, payloadOf([1, 1, 1, 'ö', [4096, Uint8Array.of(1, 2, 3)]])]) {
      const request = readRequest(payload, true);
      payload.fill(0xff);
      expect(request).toMatchObject({ args: [4096, Uint8Array.of(1, 2, 3)] });
    }
  });
});

const result = fc.record(
  {
    ret: whole,
    bytes,
    signal: fc.record({ signo: u32, code: u32, addr: whole }),
    status: u32,
  },
  { requiredKeys: ['ret'] },
) as fc.Arbitrary<CallResult>;

describe('a plain result', () => {
  it('is written and read as the general way does', () => {
    fc.assert(
      fc.property(u32, result, (id, answer) => {
        const frame = written((writer) => writePlainResult(writer, id, answer));
        expect(frame === undefined).toBe(answer.signal !== undefined || answer.status !== undefined);
        if (frame === undefined) return;
        const { ret, bytes } = answer;
        expect(frame).toEqual(Buffer.from(packFrame(bytes === undefined ? [1, id, ret] : [1, id, ret, bytes])));
        const reply = readReply(frame.subarray(HEADER_BYTES));
        expect(reply).toEqual({ kind: 'result', id, result: answer });
        expect(plain(reply)).toEqual(plain(readAnyReply(frame.subarray(HEADER_BYTES))));
      }),
    );
  });

  it.each<[string, WireValue]>([
    ['a signal', [1, 1, 0, null, [11, 1, 4096]]],
    ['nil for bytes', [1, 1, 0, null]],
    ['another kind of message', [2, 1, {}]],
  ])('with %s is left to the general reader', (_name, message) => {
    const payload = payloadOf(message);
    expect(readPlainResult(payload)).toBeUndefined();
    expect(plain(readReply(payload))).toEqual(plain(readAnyReply(payload)));
  });

  it('of memory that is lent has bytes of its own, not a Buffer', () => {
    const lent = Buffer.from(payloadOf([1, 1, 3, Uint8Array.of(1, 2, 3)]));
    const reply = readReply(lent, true);
    lent.fill(0xff);
    expect(reply).toEqual({ kind: 'result', id: 1, result: { ret: 3, bytes: Uint8Array.of(1, 2, 3) } });
    const owned = readReply(Buffer.from(payloadOf([1, 1, 3, Uint8Array.of(1, 2, 3)])));
    expect((owned as { result: CallResult }).result.bytes!.constructor).toBe(Uint8Array);
  });
});
