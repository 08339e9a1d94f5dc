import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Daemon } from '../../driver/daemon/daemon.js';
import { execControls } from '../../tools/exec/exec-control.js';
import { connect } from '../../uapi/client/connect.js';
import { ProcessHandle } from '../../uapi/client/process-handle.js';
import type { WireTransport } from '../../uapi/client/wire-transport.js';
import { needs } from '../needs.js';
import { RawPeer, until } from '../unit/daemon/helpers.js';
import { COMPILER, GuestBuild } from './compile.js';

/** Processes and threads of one session. */
const THREADS = 20;

/** How a served program ended. */
interface ServedRun {
  readonly output: string;
  readonly status: number;
}

async function runServed(session: WireTransport, path: string, dialect: string): Promise<ServedRun> {
  let output = '';
  const ended = new Promise<number>((resolve) => {
    session.onTrace((events) => {
      for (const { kind, bytes, status } of events) {
        if (kind === 'output') output += Buffer.from(bytes as Uint8Array).toString('latin1');
        if (kind === 'exit') resolve(status as number);
      }
    });
  });
  await session.control('exec', { path, bytes: readFileSync(path), argv: ['program'], envp: [], dialect });
  const status = await ended;
  return { output, status };
}

describe('programs on a served machine', needs(COMPILER), () => {
  const build = new GuestBuild();
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-served-'));
  const socket = join(folder, 'socket');
  const daemon = new Daemon({
    machine: { ramBytes: 128 * 2 ** 20 },
    limits: { threads: THREADS },
    controls: execControls(),
  });
  beforeAll(() => daemon.listen(socket));
  // A session lives on for a moment after its client has closed it, and what it had is taken back then.
  beforeEach(() => until(() => daemon.sessionCount === 0));
  afterAll(async () => {
    await daemon.shutdown();
    build.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it('an old and a new numbering work one after the other and at the same time', async () => {
    const old = build.compile('numbering', ['-static', '-DSNAPSHOT=3'], 'old');
    const current = build.compile('numbering', ['-static', '-DSNAPSHOT=4'], 'current');
    const sessions = await Promise.all([connect({ socket }), connect({ socket })]);
    const good = { output: 'numbering done\n', status: 0 };
    expect(await runServed(sessions[0], old, '5.8')).toEqual(good);
    expect(await runServed(sessions[1], current, '6.12')).toEqual(good);
    const both = [runServed(sessions[0], old, '5.8'), runServed(sessions[1], current, '6.12')];
    expect(await Promise.all(both)).toEqual([good, good]);
    expect((await runServed(sessions[0], old, '6.12')).status).not.toBe(0);
    for (const session of sessions) await session.close();
  });

  it('a session that ends takes its program along', async () => {
    const path = build.compile('reports/endless');
    const session = await connect({ socket });
    const witness = await connect({ socket });
    await session.control('exec', { path, bytes: readFileSync(path), argv: ['endless'], envp: [] });
    await session.close();
    const { ok, processes } = await witness.control('check');
    expect({ ok, processes }).toEqual({ ok: true, processes: 0 });
    await witness.close();
  });

  it('says what a program that does not end is doing, to its own session alone', async () => {
    const path = build.compile('reports/deadlock');
    const [session, witness] = await Promise.all([connect({ socket }), connect({ socket })]);
    await session.control('exec', { path, bytes: readFileSync(path), argv: ['deadlock'], envp: [] });
    const report = async (): Promise<string> => (await session.control('exec-report')).text as string;
    while ((await report()).split('\n').filter((line) => line.includes('waits for futex')).length < 2);
    expect((await witness.control('exec-report')).text).toBe('');
    await Promise.all([session.close(), witness.close()]);
  });

  it('programs at one path are each seen by their own session alone, and go with it', async () => {
    const free = daemon.host.machine.memory.allocator.freeFrames;
    const paths = [build.compile('numbering', ['-static', '-DSNAPSHOT=4'], 'a'), build.compile('hello')];
    const sessions = await Promise.all([connect({ socket }), connect({ socket })]);
    const opened: number[] = [];
    for (const [i, session] of sessions.entries()) {
      const argv = ['/usr/bin/program'];
      await session.control('exec', { path: argv[0]!, bytes: readFileSync(paths[i]!), argv, envp: [] });
      const thread = await ProcessHandle.create(session);
      while ((await thread.call('open', argv[0]!, 0, 0)).ret < 0);
      const { bytes } = await thread.call('pread', 0, 2 ** 20, 0);
      opened.push(Buffer.compare(bytes!, readFileSync(paths[i]!)));
    }
    expect(opened).toEqual([0, 0]);
    await Promise.all(sessions.map((session) => session.close()));
    const witness = await connect({ socket });
    expect((await witness.control('check')).ok).toBe(true);
    await witness.close();
    await until(() => daemon.sessionCount === 0);
    expect(daemon.host.machine.memory.allocator.freeFrames).toBe(free);
  });

  it('a program that only makes system calls holds up nobody, and a reader that stops gets no endless strace', async () => {
    const path = build.compile('reports/bomb');
    const peer = await RawPeer.connect(socket);
    peer.hello();
    await peer.next();
    peer.send([3, 1, 'exec', { path, bytes: readFileSync(path), argv: ['bomb'], envp: [], strace: true }]);
    await peer.next();
    peer.socket.pause();
    const witness = await connect({ socket });
    const thread = await ProcessHandle.create(witness);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 500; i++) expect((await thread.call('load', 0, 1)).ret).toBe(0);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
    peer.destroy();
    await witness.close();
  });

  it.each([[['bomb', 'fork']], [['bomb', 'fork', 'exit']]])('%j meets the limit of its session', async (argv) => {
    const path = build.compile('reports/bomb');
    const [session, witness] = await Promise.all([connect({ socket }), connect({ socket })]);
    await session.control('exec', { path, bytes: readFileSync(path), argv, envp: [] });
    while (((await witness.control('status')).processes as number) < THREADS);
    const { pid } = await ProcessHandle.create(witness);
    expect(pid).toBeGreaterThan(THREADS);
    for (let i = 0; i < 20; i++) expect((await witness.control('status')).processes).toBeLessThanOrEqual(THREADS + 1);
    await Promise.all([session.close(), witness.close()]);
  });

  it('what is no program is refused and harms nobody', async () => {
    const session = await connect({ socket });
    const bytes = new Uint8Array(100);
    await expect(session.control('exec', { path: '/x', bytes, argv: [], envp: [] })).rejects.toThrow('not an ELF file');
    await expect(session.control('exec', { path: 'x', bytes, argv: [], envp: [] })).rejects.toThrow('absolute');
    await expect(session.control('exec', { path: '/x', bytes, argv: [1], envp: [] })).rejects.toThrow('list of texts');
    await session.close();
  });
});
