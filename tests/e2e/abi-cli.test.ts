import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { connect } from '../../uapi/client/connect.js';
import { ProcessHandle } from '../../uapi/client/process-handle.js';
import { encodeHmmDmirrorCmd } from '../../uapi/hmm-dmirror.js';
import { headerOf } from '../unit/tools/abi/headers.js';
import { loadAbiHistory } from '../unit/uapi/abi-history.js';

const BIN = resolve(dirname(fileURLToPath(import.meta.url)), '../../bin/dmirror.js');
const folder = mkdtempSync(join(tmpdir(), 'dmirror-abi-e2e-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const header = (id: string) => {
  const path = join(folder, `${id}.h`);
  writeFileSync(path, headerOf(loadAbiHistory().generations.find((generation) => generation.id === id)!));
  return path;
};

/** Runs the built command as a user does. `npm test` builds it first. */
function dmirror(...args: string[]) {
  return spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8' });
}

describe('dmirror abi', () => {
  test('exits with 0, 1 and 2 for compatible, a break and what it can not read', () => {
    const [old, now] = [header('M5'), header('B-onfault')];
    expect(dmirror('abi', 'check', old, header('M6')).status).toBe(0);
    expect(dmirror('abi', 'check', old, now)).toMatchObject({ status: 1, stderr: '' });
    const bad = join(folder, 'bad.h');
    writeFileSync(bad, 'struct a {\n  u77 b;\n};\n');
    const { status, stderr } = dmirror('abi', 'check', old, bad);
    expect(status).toBe(2);
    expect(stderr).toContain(`bad.h:2:3: 'u77' is no type that is known here\n    u77 b;\n`);
  });
});

describe('dmirror serve --dialect-file', () => {
  const children: ChildProcess[] = [];
  afterAll(() => {
    for (const child of children) child.kill('SIGTERM');
  });

  test('speaks a header it has never seen', async () => {
    const text = headerOf(loadAbiHistory().generations.find(({ id }) => id === 'M5')!).replaceAll(
      "_IOWR('H', 0x0",
      "_IOWR('H', 0x6",
    );
    const file = join(folder, 'next.h');
    writeFileSync(file, `${text}#define HMM_DMIRROR_DANCE _IO('H', 0x70)\n`);
    const socket = join(folder, 's');
    const child = spawn(process.execPath, [BIN, 'serve', '--socket', socket, '--dialect-file', file, '--name', 'v4']);
    children.push(child);
    let log = '';
    child.stderr!.on('data', (chunk) => {
      log += chunk;
    });
    await once(child.stdout!, 'data');
    expect(log).toContain('HMM_DMIRROR_DANCE: no command of that name is known; it answers -EINVAL');
    const transport = await connect({ socket });
    const process1 = await ProcessHandle.create(transport);
    const fd = await process1.open('/dev/hmm_dmirror0');
    const buffer = await process1.map(8192);
    await buffer.writeBytes(Uint8Array.of(1));
    const record = encodeHmmDmirrorCmd({ addr: buffer.addr, ptr: buffer.addr + 4096, npages: 1 });
    expect((await process1.ioctlBytes(fd, 0xc0284804, record)).ret).toBe(-22);
    expect((await process1.ioctlBytes(fd, 0xc0284864, record)).ret).toBe(0);
    expect([...(await buffer.readBytes(4096, 1))]).toEqual([2]);
    await transport.close();
  });
});
