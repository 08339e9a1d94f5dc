import { statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Dmirror } from '../../../uapi/client/dmirror-device.js';
import { ProcessHandle } from '../../../uapi/client/process-handle.js';
import { commandNumber, dialectByName } from '../../../uapi/dialect.js';
import { EINVAL, EMFILE, ENOMEM, ESRCH } from '../../../uapi/errno.js';
import { MAP_ANONYMOUS, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../../uapi/mman.js';
import { serve, until } from './helpers.js';

const PAGE = 4096;

describe('a session', () => {
  it('carries calls, with data both ways', async () => {
    const { connect, path } = await serve();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const process = await ProcessHandle.create(await connect());
    const memory = await process.map(4 * PAGE);
    await memory.writeWord(PAGE, 0x12345678);
    expect(await memory.readWord(PAGE)).toBe(0x12345678);
    const large = new Uint8Array(2 * PAGE).fill(7);
    await memory.writeBytes(large);
    expect(Buffer.from(await memory.readBytes(0, 2 * PAGE)).equals(large)).toBe(true);
    await expect(process.read(PAGE, 1)).rejects.toThrow('SIGSEGV');
  });

  it('migrates a buffer to the device and looks at it', async () => {
    const { connect } = await serve();
    const process = await ProcessHandle.create(await connect());
    const memory = await process.map(2 * PAGE);
    await memory.writeBytes(new Uint8Array(2 * PAGE).fill(3));
    const device = await Dmirror.open(process, 0);
    expect(await device.migrateToDev(memory.addr, 2)).toMatchObject({ ret: 0, cpages: 2 });
    expect((await device.snapshot(memory.addr, 2)).data).toEqual(Uint8Array.of(0x22, 0x22));
  });

  it('answers as calls finish: one that sleeps holds up nobody', async () => {
    const { connect } = await serve();
    const [a, b] = await Promise.all([connect(), connect()]);
    const parent = await ProcessHandle.create(a);
    const { child } = await parent.fork();
    const done: string[] = [];
    const wait = parent.wait().then((result) => {
      done.push('wait');
      return result;
    });
    const other = await ProcessHandle.create(b);
    await other.map(PAGE);
    done.push('map');
    await child.exit(3);
    expect((await wait).status).toBe(3 << 8);
    expect(done).toEqual(['map', 'wait']);
  });

  it('pipelines: many calls of one turn are answered in the order of their thread', async () => {
    const { connect } = await serve();
    const process = await ProcessHandle.create(await connect());
    const order: number[] = [];
    await Promise.all(Array.from({ length: 200 }, (_, i) => process.mmap(PAGE).then(() => order.push(i))));
    expect(order).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  it('sees no thread and no process of another session', async () => {
    const { connect } = await serve();
    const mine = await ProcessHandle.create(await connect());
    const other = await ProcessHandle.create(await connect());
    await expect(mine.transport.call(other.tid, 'mmap', [0, PAGE, 3, 34, -1, 0])).rejects.toThrow('no-such-thread');
    expect(await mine.kill(other.pid, 9)).toBe(-ESRCH);
    expect(await other.mmap(PAGE)).toBeGreaterThan(0);
  });

  it('kills its processes at its end, children and sleepers too, and frees what they had', async () => {
    const { connect, daemon } = await serve();
    const transport = await connect();
    const process = await ProcessHandle.create(transport);
    const free = daemon.host.machine.memory.allocator.freeFrames;
    const memory = await process.map(16 * PAGE);
    await memory.writeBytes(new Uint8Array(16 * PAGE).fill(1));
    const device = await Dmirror.open(process, 0);
    await device.migrateToDev(memory.addr, 16);
    const { child } = await process.fork();
    await child.fork();
    const sleeper = child.wait().catch(() => undefined);
    const hold = (await process.newThread()).call('hold', 'lock', memory.addr, PAGE).catch(() => undefined);
    await process.load(memory.addr + 8 * PAGE, 1);
    await transport.close();
    await until(() => daemon.host.machine.allProcesses().length === 0);
    await Promise.all([sleeper, hold]);
    daemon.host.machine.checkInvariants();
    expect(daemon.host.machine.memory.allocator.freeFrames).toBe(free);
  });
});

describe('a client that is alone', () => {
  it('boots another machine, and is told what no machine can have', async () => {
    const { connect } = await serve({ bootable: true });
    const session = await connect();
    const wrong: [Record<string, string | number>, RegExp][] = [
      [{ ramBytes: 1 }, /bad-call: ramBytes is 1, not a multiple/],
      [{ path: 'both' }, /path is 'both': no path 'both'; there are classic, unified/],
      [{ dialect: 'M99' }, /dialect is 'M99'/],
      [{ maxFiles: -1 }, /maxFiles is -1, not a whole number from 0/],
      [{ ramBytes: '1G' }, /ramBytes is "1G", not a number/],
      [{ nonsense: 1 }, /a machine has no option nonsense/],
    ];
    for (const [options, message] of wrong) await expect(session.control('boot', options)).rejects.toThrow(message);
    expect(await session.control('boot', { path: 'unified', seed: 5 })).toMatchObject({ path: 'unified', seed: 5 });
    expect(await (await ProcessHandle.create(session)).mmap(PAGE)).toBeGreaterThan(0);
    const other = await connect();
    await expect(session.control('boot', {})).rejects.toThrow('other sessions use the machine');
    await other.close();
  });

  it('may not boot where the daemon was not started for it', async () => {
    const { connect } = await serve();
    await expect((await connect()).control('boot', {})).rejects.toThrow('--bootable');
  });
});

describe('dialects', () => {
  it('belong to the open file: two processes with different headers use one device', async () => {
    const { connect } = await serve({ dialect: 'M5' });
    const old = await ProcessHandle.create(await connect());
    const newer = await ProcessHandle.create(await connect({ dialect: 'B-onfault' }));
    for (const process of [old, newer]) {
      const memory = await process.map(PAGE);
      await memory.writeWord(0, 1);
      const device = await Dmirror.open(process, 0);
      expect((await device.snapshot(memory.addr, 1)).data).toEqual(Uint8Array.of(2));
    }
  });

  it('can be named by one call', async () => {
    const { connect } = await serve({ dialect: 'M5' });
    const process = await ProcessHandle.create(await connect());
    const device = await Dmirror.open(process, 0);
    const memory = await process.map(PAGE);
    await memory.writeWord(0, 1);
    const number = commandNumber(dialectByName('B-onfault')!, 'MIGRATE_ON_FAULT_TO_DEV')!;
    const other = new Dmirror(process, device.fd, { dialect: 'B-onfault' });
    expect(await other.migrateOnFaultToDev(memory.addr, 1)).toMatchObject({ ret: 0, cpages: 1 });
    expect((await device.snapshot(memory.addr, 1)).data).toEqual(Uint8Array.of(0x22));
    await expect(process.ioctl(device.fd, number, memory.addr, 'M99')).rejects.toThrow('no-such-dialect');
  });

  it('answer -EINVAL to a number they lack', async () => {
    const { connect } = await serve();
    const process = await ProcessHandle.create(await connect());
    const device = await Dmirror.open(process, 0);
    expect((await process.ioctlBytes(device.fd, 0xc0284877, new Uint8Array(40))).ret).toBe(-EINVAL);
  });

  it('are described, with what the machine does not model', async () => {
    const { connect } = await serve();
    const session = await connect();
    const M7 = await session.control('describe', { dialect: '7.3' });
    expect(M7).toMatchObject({ dialect: 'M7', states: { READ_UNLOCKED: 'not modelled' } });
    expect(M7.commands).toMatchObject({ SNAPSHOT: 0xc0284804, READ_UNLOCKED: 0xc0284809 });
    await expect(session.control('describe', { dialect: 'M99' })).rejects.toThrow('there is no dialect M99');
  });

  it('are refused by a strict session where the newest one reads the number otherwise', async () => {
    const { connect } = await serve({ dialect: 'B-onfault' });
    const process = await ProcessHandle.create(await connect({ strict: true }));
    const device = await Dmirror.open(process, 0);
    const memory = await process.map(PAGE);
    await expect(device.snapshot(memory.addr, 1)).rejects.toThrow(
      /refused: 0xc0284805 is SNAPSHOT in B-onfault and EXCLUSIVE in M7/,
    );
    expect(await device.read(memory.addr, 1)).toMatchObject({ ret: 0 });
  });
});

describe('limits', () => {
  const spaces = (process: ProcessHandle) =>
    process.mmap(PAGE, { prot: PROT_READ, flags: MAP_PRIVATE | MAP_ANONYMOUS });

  it('of calls and of threads are named', async () => {
    const { connect } = await serve({ limits: { queueCalls: 4, threads: 3 } });
    const process = await ProcessHandle.create(await connect());
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => spaces(process)));
    const failed = results.filter((result) => result.status === 'rejected');
    expect(failed.map(({ reason }) => reason.message)).toEqual(Array(4).fill('limit: queueCalls is limited to 4'));
    await process.newThread();
    await process.fork();
    await expect(process.fork()).rejects.toThrow('threads is limited to 3');
    await expect(ProcessHandle.create(process.transport)).rejects.toThrow('threads is limited to 3');
  });

  it('of descriptors and mappings give the errno', async () => {
    const { connect } = await serve({ limits: { files: 3, mappings: 4 } });
    const process = await ProcessHandle.create(await connect());
    for (let i = 0; i < 3; i++) expect(await process.open('/proc/meminfo', 0)).toBe(i);
    expect(await process.open('/proc/meminfo', 0)).toBe(-EMFILE);
    const results: number[] = [];
    for (let i = 0; i < 7; i++) {
      const prot = i % 2 === 0 ? PROT_READ : PROT_READ | PROT_WRITE;
      results.push(await process.mmap(PAGE, { prot }));
    }
    expect(results.at(-1)).toBe(-ENOMEM);
  });

  it('of RAM give the errno or a signal, and the machine goes on', async () => {
    const { connect } = await serve({ machine: { ramBytes: 16 * 2 ** 20 } });
    const process = await ProcessHandle.create(await connect());
    const other = await ProcessHandle.create(await connect());
    const memory = await process.map(32 * 2 ** 20, { flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE });
    await memory.writeBytes(new Uint8Array(8 * 2 ** 20));
    await process.store(memory.addr + 8 * 2 ** 20, new Uint8Array(12 * 2 ** 20)).catch(() => undefined);
    expect(await other.mmap(PAGE)).toBeGreaterThan(0);
  });

  it('of bytes are named', async () => {
    const { connect } = await serve({ limits: { frameBytes: 65536, queueBytes: 100_000 } });
    const process = await ProcessHandle.create(await connect());
    await expect(process.load(0, 65537)).rejects.toThrow('limit: frameBytes is limited to 65536');
    const memory = await process.map(16 * PAGE);
    const results = await Promise.allSettled([memory.readBytes(), memory.readBytes()]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    await expect(process.store(memory.addr, new Uint8Array(65536))).rejects.toThrow('frameBytes is limited to 65536');
  });

  it('of sessions turn the next one away', async () => {
    const { connect, daemon } = await serve({ limits: { sessions: 2 } });
    const first = await connect();
    await connect();
    await expect(connect()).rejects.toThrow('limit: sessions is limited to 2');
    await first.close();
    await until(() => daemon.sessionCount === 1);
    await connect();
  });

  it('of steps end a SNAPSHOT of 2^34 pages, and others go on meanwhile', async () => {
    const { connect } = await serve({ limits: { callSteps: 200_000 } });
    const hog = await ProcessHandle.create(await connect());
    const other = await ProcessHandle.create(await connect());
    const device = await Dmirror.open(hog, 0);
    const buffer = await hog.map(PAGE);
    const far = 2 ** 46;
    const npages = 2 ** 33;
    await hog.mmap(npages * PAGE, { addr: far, prot: PROT_READ, flags: MAP_PRIVATE | MAP_ANONYMOUS | 0x10 | 0x4000 });
    const endless = device
      .command('MIGRATE_TO_SYS', far, npages, buffer.addr)
      .then(String, (error: Error) => error.message);
    let isOver = false;
    void endless.then(() => {
      isOver = true;
    });
    for (let i = 0; i < 50; i++) await other.mmap(PAGE);
    expect(isOver).toBe(false);
    expect(await endless).toBe('limit: callSteps is limited to 200000');
    expect(await hog.mmap(PAGE)).toBeGreaterThan(0);
  });
});

describe('a device that can not be mapped whole', () => {
  it('leaves nothing in the page table, and the machine whole', async () => {
    const { connect, daemon } = await serve({ machine: { ramBytes: 16 * 2 ** 20 } });
    const process = await ProcessHandle.create(await connect());
    const device = await Dmirror.open(process, 0);
    expect(await process.mmap(2 ** 30, { fd: device.fd, flags: MAP_PRIVATE | MAP_NORESERVE })).toBe(-ENOMEM);
    daemon.host.machine.checkInvariants();
  });
});
