import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BytePool } from '../../../../uapi/wire/byte-pool.js';
import { payloadFault } from '../../../../uapi/wire/check-payload.js';
import { packFrame, packPieces, unpackPayload, type WireValue } from '../../../../uapi/wire/codec.js';
import { FrameReader, FrameTooLongError, HEADER_BYTES } from '../../../../uapi/wire/frame.js';
import { BadMessageError, readRequest } from '../../../../uapi/wire/message.js';
import { runs } from '../../../counts.js';

const payloadOf = (value: WireValue) => packFrame(value).subarray(HEADER_BYTES);
const bytes = (...values: number[]) => Uint8Array.from(values);

const leaf = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }),
  fc.string({ unit: 'binary' }),
  fc.uint8Array(),
);

describe('frames', () => {
  it('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 90 })),
        (payloads, cuts) => {
          const stream = Buffer.concat(payloads.map((payload) => Buffer.concat([header(payload.length), payload])));
          const reader = new FrameReader(1000);
          const got: number[][] = [];
          for (let at = 0; at < stream.length; ) {
            const size = cuts.next().value as number;
            reader.push(stream.subarray(at, at + size), (payload) => got.push([...payload]) > 0);
            at += size;
          }
          expect(got).toEqual(payloads.map((payload) => [...payload]));
          expect(reader.heldBytes).toBe(0);
        },
      ),
    );
  });

  it.each([
    ['memory in proportion', undefined],
    ['a pool', new BytePool(2 ** 22)],
    ['memory for all at once', { room: (_: number, length: number) => new Uint8Array(length), outgrown: () => {} }],
  ])('come out as they went in when they are read to where they stay, in %s', (_name, memory) => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(0, 1, 50, 70_000, 200_000), fc.nat(255)), { maxLength: 5 }),
        fc.infiniteStream(fc.constantFrom(1, 3, 1000, 60_000, 300_000)),
        (frames, cuts) => {
          const payloads = frames.map(([length, fill]) => new Uint8Array(length).fill(fill));
          const stream = Buffer.concat(payloads.map((payload) => Buffer.concat([header(payload.length), payload])));
          const reader = new FrameReader(2 ** 20, memory);
          const shared = new Uint8Array(65536);
          const got: Buffer[] = [];
          const take = (payload: Uint8Array) => {
            got.push(Buffer.from(payload));
            if (memory instanceof BytePool) memory.give(payload);
            return true;
          };
          for (let at = 0; at < stream.length; ) {
            const room = reader.bodyRoom;
            const into = room ?? shared;
            const count = Math.min(cuts.next().value as number, into.length, stream.length - at);
            into.set(stream.subarray(at, at + count));
            if (room === undefined) reader.push(shared, take, count);
            else reader.filled(count, take);
            at += count;
          }
          expect(got.map((payload) => payload.length)).toEqual(payloads.map((payload) => payload.length));
          expect(Buffer.concat(got).equals(Buffer.concat(payloads))).toBe(true);
        },
      ),
    );
  });

  it('over the limit are refused by their header alone', () => {
    const reader = new FrameReader(1000);
    reader.push(header(1001).subarray(0, 3), () => true);
    expect(() => reader.push(header(1001).subarray(3), () => true)).toThrow(FrameTooLongError);
  });

  it('that claim much and send little hold little', () => {
    const reader = new FrameReader(2 ** 30);
    const before = process.memoryUsage().arrayBuffers;
    reader.push(header(2 ** 29), () => true);
    for (let i = 0; i < 100_000; i++) reader.push(Uint8Array.of(1), () => true);
    expect(reader.heldBytes).toBe(100_004);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 22);
  });
});

function header(length: number): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES);
  frame.writeUInt32BE(length);
  return frame;
}

describe('payloads', () => {
  it('that msgpack made are let through and come back equal', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(leaf, fc.array(leaf, { maxLength: 5 })), { maxLength: 9 }), (value) => {
        const payload = payloadOf(value as WireValue);
        expect(payloadFault(payload)).toBeUndefined();
        expect(unpackPayload(payload)).toEqual(value.map(plain));
      }),
    );
  });

  it('with large bytes are the same in pieces and in one', () => {
    const large = new Uint8Array(70_000).fill(9);
    const message = [1, 5, 1, 'pwrite', [3, large, 2 ** 40]];
    const pieces = packPieces(message);
    expect(pieces.includes(large)).toBe(true);
    const whole = Buffer.concat(pieces);
    expect(whole.readUInt32BE()).toBe(whole.length - HEADER_BYTES);
    expect(unpackPayload(whole.subarray(HEADER_BYTES))).toEqual([1, 5, 1, 'pwrite', [3, Buffer.from(large), 2 ** 40]]);
  });

  it.each([
    ['nothing', bytes(), 'the message ends early'],
    ['a cut number', bytes(0xcd, 1), 'a length is beyond the end of the message'],
    ['two values', bytes(1, 2), 'bytes behind the message'],
    ['an extension', bytes(0xd4, 1, 1), 'type 0xd4 is not used'],
    ['the byte that is never used', bytes(0xc1), 'type 0xc1 is not used'],
    ['text that lies', bytes(0xdb, 0xff, 0xff, 0xff, 0xff, 0x61), 'a length is beyond the end of the message'],
    ['a list that lies', bytes(0xdd, 0xff, 0xff, 0xff, 0xff, 1), 'a count is beyond the end of the message'],
    ['a map that lies', bytes(0xdf, 0x7f, 0xff, 0xff, 0xff, 1), 'a count is beyond the end of the message'],
    ['a cut length', bytes(0xdc, 1), 'the message ends early'],
    ['a deep nest', new Uint8Array(100).fill(0x91), 'nested deeper than 4'],
    ['many elements', Uint8Array.from([0xdc, 0x13, 0x88, ...new Array(5000).fill(1)]), 'more than 4096 elements'],
  ])('with %s are refused', (_name, payload, fault) => {
    expect(payloadFault(payload)).toBe(fault);
    expect(() => readRequest(payload)).toThrow(BadMessageError);
  });

  it('of any bytes are a request or a BadMessageError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (payload) => {
        try {
          readRequest(payload);
        } catch (error) {
          expect(error).toBeInstanceOf(BadMessageError);
        }
      }),
      runs(1000, 20_000),
    );
  });

  it.each([
    [[7, 1], 1, 'bad-message'],
    [[1, 1], 1, 'bad-message'],
    [[1, 1, 1, 'mmap', [null]], 1, 'bad-call'],
    [[1, 1, 1, 'mmap', [0.5]], 1, 'bad-call'],
    [[1, 1, 1, 'mmap', [2 ** 60]], 1, 'bad-call'],
    [[1, -1, 1, 'mmap', []], null, 'bad-message'],
    [[0, 'one'], null, 'bad-hello'],
    [[0, 1, { dialect: 5 }], null, 'bad-hello'],
    [[3, 1, 'status', 4], 1, 'bad-message'],
  ])('such as %j say what is wrong', (message, id, code) => {
    const failure = (() => {
      try {
        return readRequest(payloadOf(message as WireValue));
      } catch (error) {
        return error;
      }
    })();
    expect(failure).toMatchObject({ id, code });
  });
});

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Uint8Array) return Buffer.from(value);
  // Msgpack has one zero.
  return value === 0 ? expect.closeTo(0) : value;
}
