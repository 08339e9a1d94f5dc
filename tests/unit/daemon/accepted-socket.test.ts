import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readingInto } from '../../../driver/daemon/accepted-socket.js';
import { ProcessHandle } from '../../../uapi/client/process-handle.js';
import { serve, tempFolder, until } from './helpers.js';

const MIB = 2 ** 20;
const PAGE = 4096;

/** Words that differ in every place and for every `salt`. */
function pattern(sizeBytes: number, salt: number): Uint8Array {
  const words = new Uint32Array(sizeBytes / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2654435761) + salt;
  return new Uint8Array(words.buffer);
}

const equal = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

describe('large frames', () => {
  it('keep their bytes while others come, are under way and are answered', async () => {
    const { connect, daemon } = await serve({ machine: { ramBytes: 128 * MIB } });
    const sessions = await Promise.all(
      Array.from({ length: 4 }, async (_, salt) => {
        const process = await ProcessHandle.create(await connect());
        return { memory: await process.map(5 * MIB), salt };
      }),
    );
    for (let round = 0; round < 4; round++) {
      await Promise.all(
        sessions.map(async ({ memory, salt }) => {
          const sizes = [3 * MIB, 100_000, 65_532, 5 * MIB - 3 * MIB - 165_536];
          const parts = sizes.map((size, i) => pattern(size, 100 * round + 10 * salt + i));
          const whole = Buffer.concat(parts);
          const starts = parts.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
          const stores = parts.map((part, i) => memory.writeBytes(part, starts[i]!));
          // Behind them on the same thread, and answered in large frames of their own.
          const all = () => memory.readBytes(0, whole.length);
          const loads = [all(), memory.readBytes(4, 70_000), all()];
          await Promise.all(stores);
          const [first, part, second] = await Promise.all(loads);
          expect([equal(first!, whole), equal(second!, whole)]).toEqual([true, true]);
          expect(equal(part!, whole.subarray(4, 70_004))).toBe(true);
        }),
      );
    }
    daemon.host.machine.checkInvariants();
  });

  it('that a slow reader has not taken yet are not written again', async () => {
    const { raw, connect } = await serve({ limits: { unsentBytes: 64 * MIB }, machine: { ramBytes: 128 * MIB } });
    const peer = await raw();
    peer.hello();
    await peer.next();
    peer.send([2, 1]);
    const pid = (await peer.next())[2]!;
    peer.send([1, 2, pid, 'mmap', [0, MIB, 3, 34, -1, 0]]);
    const addr = (await peer.next())[2]!;
    peer.socket.pause();
    for (let i = 0; i < 20; i++) {
      peer.send([1, 10 + 2 * i, pid, 'store', [addr, pattern(MIB, i)]], [1, 11 + 2 * i, pid, 'load', [addr, MIB]]);
    }
    // Meanwhile others use the memory that is free.
    const other = await (await ProcessHandle.create(await connect())).map(MIB);
    for (let i = 0; i < 20; i++) {
      await other.writeBytes(pattern(MIB, 1000 + i));
      expect(equal(await other.readBytes(), pattern(MIB, 1000 + i))).toBe(true);
    }
    peer.socket.resume();
    await until(() => peer.replies.length >= 40);
    const loaded = peer.replies.filter((reply) => reply.length === 4);
    expect(loaded.map((reply, i) => equal(reply[3] as Uint8Array, pattern(MIB, i)))).toEqual(Array(20).fill(true));
  });

  it('of calls that sleep are theirs until they are done', async () => {
    const { connect } = await serve();
    const process = await ProcessHandle.create(await connect());
    const memory = await process.map(4 * MIB);
    await memory.writeBytes(pattern(MIB, 1));
    // Whoever touches the page waits until it is let go.
    const [holder, helper] = [await process.newThread(), await process.newThread()];
    const hold = holder.call('hold', 'migration', memory.addr, PAGE);
    let isDone = false;
    const store = memory.writeBytes(pattern(2 * MIB, 2)).then(() => {
      isDone = true;
    });
    const third = await ProcessHandle.create(await connect());
    const elsewhere = await third.map(2 * MIB);
    for (let i = 0; i < 5; i++) await elsewhere.writeBytes(pattern(2 * MIB, 50 + i));
    expect(isDone).toBe(false);
    await helper.call('letGo', holder.tid);
    await Promise.all([hold, store]);
    expect(equal(await memory.readBytes(0, 2 * MIB), pattern(2 * MIB, 2))).toBe(true);
  });
});

describe('an accepted socket that reads into memory of ours', () => {
  it('gives all bytes in order, pauses, and hears of the end while it can still send', async () => {
    const path = join(tempFolder(), 'socket');
    const into = new Uint8Array(1000);
    const got: Buffer[] = [];
    let socket: Socket | undefined;
    let isEnded = false;
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (accepted) => {
      socket = readingInto(accepted, {
        buffer: into,
        callback(count, buffer) {
          got.push(Buffer.from(buffer.subarray(0, count)));
          return true;
        },
      });
      socket!.on('end', () => {
        isEnded = true;
        socket!.end('bye');
      });
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const client = connectSocket({ path, allowHalfOpen: true });
    const heard: Buffer[] = [];
    client.on('data', (chunk) => heard.push(chunk as Buffer));
    const sent = Buffer.from(pattern(MIB, 7));
    client.write(sent.subarray(0, 500_000));
    await until(() => Buffer.concat(got).length === 500_000);
    socket!.pause();
    client.end(sent.subarray(500_000));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(Buffer.concat(got).length).toBeLessThan(600_000);
    expect(isEnded).toBe(false);
    socket!.resume();
    await until(() => isEnded && heard.length > 0);
    expect(Buffer.concat(got).equals(sent)).toBe(true);
    expect(Buffer.concat(heard).toString()).toBe('bye');
    // Whose connections it counts: it would wait for one that it does not know to be over.
    await new Promise((resolve) => server.close(resolve));
  });
});
