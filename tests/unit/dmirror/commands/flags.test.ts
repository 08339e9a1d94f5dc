import { describe, expect, it } from 'vitest';
import { inProcess } from '../../../../index.js';
import { Dmirror } from '../../../../uapi/client/dmirror-device.js';
import { ProcessHandle } from '../../../../uapi/client/process-handle.js';
import { EINVAL, ENOENT, ENOMEM } from '../../../../uapi/errno.js';
import { HMM_DMIRROR_FLAG_FAIL_ALLOC } from '../../../../uapi/hmm-dmirror.js';
import { PAGE_SIZE } from '../../../../uapi/mman.js';
import { EQUAL_PATHS, type PathName } from '../../../../uapi/path-name.js';

const NPAGES = 4;

async function setUp(dialect: string, path: PathName = 'classic') {
  const transport = inProcess({ path, checkInvariants: 'all' });
  const process = await ProcessHandle.create(transport);
  const device = await Dmirror.open(process, 0, { dialect });
  const memory = await process.map(NPAGES * PAGE_SIZE);
  await memory.writeWords(new Uint32Array((NPAGES * PAGE_SIZE) / 4).map((_, i) => i));
  return { transport, device, memory };
}

describe.each(EQUAL_PATHS)('FLAGS with FAIL_ALLOC on the %s path', (path) => {
  it('skips one page on the way to the device, which the mirror then lacks', async () => {
    const { transport, device, memory } = await setUp('M6', path);
    expect((await device.command('FLAGS', memory.addr, HMM_DMIRROR_FLAG_FAIL_ALLOC)).ret).toBe(0);
    expect((await device.migrateToDev(memory.addr, NPAGES)).ret).toBe(-ENOENT);
    expect([...(await device.snapshot(memory.addr, NPAGES)).data]).toEqual([0x02, 0x22, 0x22, 0x22]);
    expect((await device.migrateToDev(memory.addr, NPAGES)).cpages).toBe(NPAGES);
    await transport.close();
  });

  it('refuses the way back with -ENOMEM, and leaves every page where it was', async () => {
    const { transport, device, memory } = await setUp('M6', path);
    await device.migrateToDev(memory.addr, NPAGES);
    await device.command('FLAGS', memory.addr, HMM_DMIRROR_FLAG_FAIL_ALLOC);
    expect((await device.migrateToSys(memory.addr, NPAGES)).ret).toBe(-ENOMEM);
    expect([...(await device.snapshot(memory.addr, NPAGES)).data]).toEqual([0x22, 0x22, 0x22, 0x22]);
    expect(await device.migrateToSys(memory.addr, NPAGES)).toMatchObject({ ret: 0, cpages: NPAGES });
    await transport.close();
  });

  it('lets a CPU access try again, now with memory', async () => {
    const { transport, device, memory } = await setUp('M6', path);
    await device.migrateToDev(memory.addr, NPAGES);
    await device.command('FLAGS', memory.addr, HMM_DMIRROR_FLAG_FAIL_ALLOC);
    expect(await memory.readWord(2 * PAGE_SIZE)).toBe((2 * PAGE_SIZE) / 4);
    expect([...(await device.snapshot(memory.addr, NPAGES)).data]).toEqual([0x22, 0x22, 0x02, 0x22]);
    await transport.close();
  });

  it('takes an even npages as no flag', async () => {
    const { transport, device, memory } = await setUp('M6', path);
    await device.command('FLAGS', memory.addr, HMM_DMIRROR_FLAG_FAIL_ALLOC);
    expect((await device.command('FLAGS', memory.addr, 2)).ret).toBe(0);
    expect((await device.migrateToDev(memory.addr, NPAGES)).ret).toBe(0);
    await transport.close();
  });
});

it('has no such number where the dialect names none', async () => {
  const { transport, device, memory } = await setUp('M5');
  await expect(device.command('FLAGS', memory.addr, 1)).rejects.toThrow('FLAGS');
  const { device: m6 } = { device: new Dmirror(device.thread, device.fd, { dialect: 'M7' }) };
  expect((await m6.command('READ_UNLOCKED', memory.addr, 1)).ret).toBe(-EINVAL);
  await transport.close();
});
