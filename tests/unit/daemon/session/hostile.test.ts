import { describe, expect, it, vi } from 'vitest';
import { Dmirror } from '../../../../uapi/client/dmirror-device.js';
import { ProcessHandle } from '../../../../uapi/client/process-handle.js';
import { EINVAL, ESRCH } from '../../../../uapi/errno.js';
import { packFrame, type WireValue } from '../../../../uapi/wire/codec.js';
import { count } from '../../../counts.js';
import { type RawPeer, type Served, serve, until } from '../helpers.js';

const PAGE = 4096;

/** A small generator, so that a failing run can be repeated from its seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A session that must stay whole while others misbehave. */
async function witness({ connect }: Served): Promise<() => Promise<void>> {
  const process = await ProcessHandle.create(await connect());
  const memory = await process.map(4 * PAGE);
  const device = await Dmirror.open(process, 0);
  await memory.writeBytes(new Uint8Array(4 * PAGE).fill(0x3c));
  await device.migrateToDev(memory.addr, 4);
  return async () => {
    const bytes = await memory.readBytes();
    expect(bytes.every((byte) => byte === 0x3c)).toBe(true);
    expect(await process.mmap(PAGE)).toBeGreaterThan(0);
  };
}

describe('a peer that sends', () => {
  it.each<[string, (peer: RawPeer) => void, string, RegExp]>([
    [
      'a frame over the limit',
      (peer) => peer.bytes(Uint8Array.of(0xff, 0xff, 0xff, 0xff)),
      'limit',
      /frameBytes is limited to/,
    ],
    ['no msgpack', (peer) => peer.bytes(Uint8Array.of(0, 0, 0, 2, 0xc1, 0)), 'bad-frame', /0xc1/],
    ['nothing in a frame', (peer) => peer.bytes(Uint8Array.of(0, 0, 0, 0)), 'bad-frame', /ends early/],
    [
      'a deep nest',
      (peer) => peer.bytes(Buffer.concat([Uint8Array.of(0, 0, 16, 0), Buffer.alloc(4096, 0x91)])),
      'bad-frame',
      /deeper/,
    ],
    ['a map', (peer) => peer.send({ 0: 1 }), 'bad-message', /array/],
    ['a call before hello', (peer) => peer.send([1, 1, 1, 'mmap', []]), 'bad-hello', /first message/],
    ['another version', (peer) => peer.send([0, 99, {}]), 'bad-hello', /version 1/],
    ['an unknown dialect', (peer) => peer.hello({ dialect: 'M99' }), 'no-such-dialect', /M99/],
  ])('%s is told why and sent away', async (_name, send, code, message) => {
    const served = await serve();
    const check = await witness(served);
    const peer = await served.raw();
    send(peer);
    const reply = await peer.next();
    expect(reply.slice(0, 3)).toEqual([3, null, code]);
    expect(reply[3]).toMatch(message);
    await peer.closed();
    await check();
  });

  it('what no program could call keeps its session', async () => {
    const served = await serve();
    const peer = await served.raw();
    peer.hello();
    expect((await peer.next())[0]).toBe(0);
    peer.send([2, 1]);
    const pid = (await peer.next())[2]!;
    const wrong: [WireValue, string][] = [
      [[1, 2, pid, 'no_such_call', []], 'bad-call'],
      [[1, 3, pid, '__proto__', []], 'bad-call'],
      [[1, 4, pid, 'mmap', [1]], 'bad-call'],
      [[1, 5, pid, 'mmap', ['a', 'b', 'c', 'd', 'e', 'f']], 'bad-call'],
      [[1, 6, 99999, 'fork', []], 'no-such-thread'],
      [[3, 7, 'constructor'], 'no-such-control'],
      [[3, 8, 'boot'], 'bad-call'],
      [[3, 9, 'trace', { kinds: ['nonsense'] }], 'bad-call'],
      [[9, 10], 'bad-message'],
    ];
    for (const [message, code] of wrong) {
      peer.send(message);
      expect(await peer.next()).toEqual([3, (message as WireValue[])[1], code, expect.any(String)]);
    }
    peer.send([1, 20, pid, 'wait', []], [1, 21, pid, 'fork', []], [1, 21, pid, 'fork', []]);
    const replies = [await peer.next(), await peer.next(), await peer.next()];
    expect(replies.map(([type, id]) => [type, id])).toContainEqual([3, 21]);
    expect(replies.find(([type]) => type === 3)![2]).toBe('duplicate-id');
    peer.send([0, 1, {}]);
    expect((await peer.next()).slice(0, 3)).toEqual([3, null, 'bad-hello']);
    await peer.closed();
  });

  it('no hello is cut off', async () => {
    const { raw } = await serve({ limits: { helloMs: 50 } });
    const peer = await raw();
    expect((await peer.next())[3]).toMatch('helloMs is limited to 50');
    await peer.closed();
  });

  it('requests and closes its side gets its answers first', async () => {
    const { raw } = await serve();
    const peer = await raw();
    peer.hello();
    peer.send([2, 1]);
    peer.socket.end();
    expect((await peer.next())[0]).toBe(0);
    expect((await peer.next())[0]).toBe(1);
    await peer.closed();
  });

  it('requests and reads nothing is not read from any more, and costs bounded memory', async () => {
    const served = await serve({ limits: { unsentBytes: 65536, queueBytes: 2 ** 20 } });
    const check = await witness(served);
    const peer = await served.raw();
    peer.hello();
    await peer.next();
    peer.send([2, 1]);
    const pid = (await peer.next())[2]!;
    peer.send([1, 2, pid, 'mmap', [0, 16 * PAGE, 3, 34, -1, 0]]);
    const addr = (await peer.next())[2]!;
    peer.socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 4000; i++) peer.send([1, 100 + i, pid, 'load', [addr, 16 * PAGE]]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 2 ** 20);
    await check();
    peer.socket.resume();
    await until(() => peer.replies.length >= 4000);
    await check();
  });
});

describe('a peer that sends', () => {
  it('thousands of requests in one piece has them served in slices, and others come in between', async () => {
    const served = await serve();
    const status = vi.spyOn(served.daemon, 'status');
    const [peer, other] = [await served.raw(), await served.raw()];
    peer.hello();
    other.hello();
    await Promise.all([peer.next(), other.next()]);
    const requests = Array.from({ length: 6000 }, (_, id): WireValue => [3, id, 'status']);
    peer.send(...requests);
    other.send([2, 1]);
    expect((await other.next())[0]).toBe(1);
    expect(status.mock.calls.length).toBeLessThan(2000);
    await until(() => peer.replies.length === requests.length);
    expect(peer.replies.map(([, id]) => id)).toEqual(requests.map((_, id) => id));
  });

  it('more checks than may wait, or two of one number, while the machine does not come to rest', async () => {
    const served = await serve({ limits: { queueCalls: 3 } });
    const busy = await served.raw();
    busy.hello();
    busy.send([2, 1]);
    await busy.next();
    const pid = (await busy.next())[2]!;
    busy.send([1, 2, pid, 'mmap', [0, 2 ** 40, 1, 34, -1, 0]]);
    const addr = (await busy.next())[2]!;
    // Reads every page of a tebibyte, which would take minutes.
    busy.send([1, 3, pid, 'madvise', [addr, 2 ** 40, 22]]);
    const peer = await served.raw();
    peer.hello();
    await peer.next();
    peer.send([3, 1, 'check'], [3, 1, 'status'], [3, 2, 'check'], [3, 3, 'check'], [3, 4, 'check']);
    expect(await peer.next()).toEqual([3, 1, 'duplicate-id', expect.any(String)]);
    expect(await peer.next()).toEqual([3, 4, 'limit', 'queueCalls is limited to 3']);
    const answers = [await peer.next(), await peer.next(), await peer.next()];
    for (const [, , answer] of answers) expect(answer).toMatchObject({ ok: false, why: /under way/ });
    expect(answers.map(([, id]) => id)).toEqual([1, 2, 3]);
  });

  it('the most of too much that waits is sent away, and nobody else is', async () => {
    const served = await serve({ limits: { totalBytes: 4 * 2 ** 20 } });
    const check = await witness(served);
    const begun = (bytes: number) => Buffer.concat([Uint8Array.of(0, 0x80, 0, 0), Buffer.alloc(bytes)]);
    const [small, large] = [await served.raw(), await served.raw()];
    small.hello();
    large.hello();
    await Promise.all([small.next(), large.next()]);
    small.bytes(begun(2 ** 20));
    for (let i = 0; i < 6 && !large.isClosed; i++) large.bytes(i === 0 ? begun(2 ** 20) : Buffer.alloc(2 ** 20));
    expect(await large.next()).toEqual([3, null, 'limit', expect.stringMatching('totalBytes is limited to 4194304')]);
    await large.closed();
    expect(small.isClosed).toBe(false);
    await check();
  });

  it('a long text is not repeated in full, to itself or in the log', async () => {
    const logged: object[] = [];
    const served = await serve({ log: { log: (_level, _event, fields) => void logged.push(fields ?? {}) } });
    const peer = await served.raw();
    const long = 'x'.repeat(100_000);
    peer.hello({ client: long });
    await peer.next();
    peer.send([3, 1, long], [2, 2, long], [1, 3, 1, long, []]);
    for (let i = 0; i < 3; i++) expect(String((await peer.next())[3]).length).toBeLessThan(300);
    expect(JSON.stringify(logged).length).toBeLessThan(1000);
  });
});

it("a thread that holds a page is let go by its own session's threads only", async () => {
  const served = await serve();
  const process = await ProcessHandle.create(await served.connect());
  const memory = await process.map(PAGE);
  await memory.writeWord(0, 1);
  const held = await process.newThread();
  const holds = held.call('hold', 'lock', memory.addr, PAGE);
  for (const len of [2 ** 47, PAGE + 1, 2 ** 53 - PAGE])
    expect((await process.call('hold', 'migration', memory.addr, len)).ret).toBe(-EINVAL);
  const stranger = await ProcessHandle.create(await served.connect());
  while ((await process.call('inspect', 'locks')).ret === 0);
  expect((await stranger.call('letGo', held.tid)).ret).toBe(-ESRCH);
  expect((await process.call('letGo', held.tid)).ret).toBe(0);
  expect((await holds).ret).toBe(0);
});

const NAMES = [
  'mmap',
  'munmap',
  'mprotect',
  'mremap',
  'madvise',
  'mlock',
  'munlock',
  'load',
  'store',
  'fork',
  'thread',
  'exit',
  'kill',
  'open',
  'close',
];
const MORE_NAMES = [
  'pread',
  'pwrite',
  'ftruncate',
  'unlink',
  'ioctl',
  'ioctlBytes',
  'sigaction',
  'inspect',
  'letGo',
  'nothing',
];
const TEXTS = [
  '/dev/hmm_dmirror0',
  '/tmp/a',
  '/tmp',
  '/proc/self/pagemap',
  '/sys/kernel/debug/gup_test',
  '/proc/meminfo',
  'M5',
  'catch',
  '',
];
const NUMBERS = [
  0,
  1,
  2,
  3,
  -1,
  34,
  4096,
  8192,
  2 ** 21,
  2 ** 30,
  2 ** 40,
  2 ** 46,
  2 ** 47,
  2 ** 53 - 1,
  -(2 ** 53 - 1),
  0xc0284800,
  0xc0284802,
  0xc0284804,
  0xc0284840,
  65536,
];

/** Requests that are nearly right: they get far. */
function nearMiss(random: (below: number) => number, pids: readonly number[]): WireValue {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
  const argument = (): WireValue => {
    const kind = random(10);
    if (kind < 6) return pick(NUMBERS) + (random(4) === 0 ? random(9000) : 0);
    if (kind < 7) return pick(TEXTS);
    if (kind < 9) return new Uint8Array(pick([0, 1, 40, 64, 5000])).fill(random(256));
    return pick([null, true, 0.5, [1], { a: 1 }] as const);
  };
  const id = random(1e6);
  if (random(30) === 0) return [random(6), id, argument(), argument()];
  const args = Array.from({ length: random(7) }, argument);
  return [1, id, pick(pids), pick(random(2) === 0 ? NAMES : MORE_NAMES), args];
}

/** Bytes of any kind; half of them are a request with a few bytes changed. */
function anyPayload(random: (below: number) => number): Uint8Array {
  if (random(2) === 0) return Uint8Array.from({ length: random(40) }, () => random(256));
  const payload = packFrame(nearMiss(random, [1, 2])).slice(4);
  for (let i = random(4); i >= 0; i--) payload[random(payload.length)] = random(256);
  return payload;
}

const FRAMES = count(20_000, 100_000);
const BATCH = 200;

describe('random frames', () => {
  it('of any bytes are answered with an error or a closed session, and hurt nobody', async () => {
    const served = await serve({ machine: { ramBytes: 32 * 2 ** 20 } });
    const check = await witness(served);
    const random = randomFrom(1);
    for (let sent = 0; sent < FRAMES; ) {
      const peer = await served.raw();
      peer.hello();
      while (sent < FRAMES && !peer.isClosed) {
        const frames: Uint8Array[] = [];
        for (let i = 0; i < 8; i++, sent++) {
          const payload = anyPayload(random);
          const header = Buffer.alloc(4);
          header.writeUInt32BE(random(50) === 0 ? random(2 ** 32) : payload.length);
          frames.push(header, payload);
        }
        peer.bytes(Buffer.concat(frames));
        await new Promise((resolve) => setImmediate(resolve));
      }
      peer.destroy();
    }
    await check();
    await until(() => served.daemon.sessionCount === 1);
    served.daemon.host.machine.checkInvariants();
  });

  it('that are nearly right reach the machine, and it goes on', async () => {
    const logged: string[] = [];
    const log = {
      log: (_level: string, event: string, fields?: object) => void logged.push(`${event} ${JSON.stringify(fields)}`),
    };
    const served = await serve({
      log,
      limits: { callSteps: 20_000, threads: 40 },
      machine: { ramBytes: 32 * 2 ** 20, hugePages: 2, swapBytes: 2 ** 20 },
    });
    const random = randomFrom(2);
    for (let sent = 0; sent < FRAMES / 5; ) {
      const peer = await served.raw();
      peer.hello();
      peer.send([2, 1], [2, 2]);
      const welcome = await peer.next();
      expect(welcome[0]).toBe(0);
      const pids = [(await peer.next())[2], (await peer.next())[2]] as number[];
      for (let i = 0; i < 20 && !peer.isClosed; i++, sent += BATCH) {
        peer.send(...Array.from({ length: BATCH }, () => nearMiss(random, pids)));
        await new Promise((resolve) => setTimeout(resolve, 1));
        peer.replies.length = 0;
      }
      peer.destroy();
    }
    expect(logged.filter((line) => line.includes('the machine failed'))).toEqual([]);
    await until(() => served.daemon.sessionCount === 0);
    expect(served.daemon.host.machine.allProcesses()).toEqual([]);
    served.daemon.host.machine.checkInvariants();
  });
});

describe('sessions killed at random moments', () => {
  const ROUNDS = count(5, 20);

  it('leave an empty machine', async () => {
    const served = await serve({ machine: { ramBytes: 64 * 2 ** 20 }, limits: { lingerMs: 20 } });
    const free = served.daemon.host.machine.memory.allocator.freeFrames;
    const random = randomFrom(3);
    const life = async () => {
      const peer = await served.raw();
      peer.hello();
      peer.send([2, 1], [2, 2]);
      // Half of them at the latest in the middle of their work, however slow the host makes the way there.
      const isEarly = random(2) === 0;
      const kill = () => void setTimeout(() => peer.destroy(), random(12));
      if (isEarly) kill();
      try {
        await peer.next();
        if (!isEarly) kill();
        const pids = [(await peer.next())[2], (await peer.next())[2]] as number[];
        for (const pid of pids) peer.send(...busyLife(pid));
        while (!peer.isClosed) await peer.next();
      } catch {
        // It was killed before it could do all that.
      }
    };
    for (let round = 0; round < ROUNDS; round++) await Promise.all(Array.from({ length: 20 }, life));
    await until(() => served.daemon.sessionCount === 0);
    const { machine } = served.daemon.host;
    expect(machine.allProcesses()).toEqual([]);
    machine.checkInvariants();
    expect(machine.memory.allocator.freeFrames).toBe(free);
  });
});

/** Maps, stores, opens the device, migrates, forks: all pipelined, so that any of it is under way at the end. */
function busyLife(pid: number): WireValue[] {
  const addr = 0x10000000;
  const record = new Uint8Array(40);
  const view = new DataView(record.buffer);
  view.setUint32(0, addr, true);
  view.setUint32(8, addr + 0x100000, true);
  view.setUint32(16, 16, true);
  const calls: [string, WireValue[]][] = [
    ['mmap', [addr, 0x200000, 3, 0x32, -1, 0]],
    ['store', [addr, new Uint8Array(16 * PAGE).fill(1)]],
    ['open', ['/dev/hmm_dmirror0', 2, 0]],
    ['ioctlBytes', [0, 0xc0284802, record]],
    ['open', [`/tmp/${pid}`, 66, 0]],
    ['pwrite', [1, new Uint8Array(16 * PAGE).fill(1), 0]],
    ['fork', []],
    ['ioctlBytes', [0, 0xc0284800, record]],
    ['load', [addr, 16 * PAGE]],
    ['ioctlBytes', [0, 0xc0284805, record]],
    ['wait', []],
  ];
  return calls.map(([name, args], i) => [1, pid * 100 + i, pid, name, args]);
}
