import { describe, expect, it } from 'vitest';
import { doMprotectPkey } from '../../../../driver/mm/vmas/mprotect.js';
import { vmMunmap } from '../../../../driver/mm/vmas/munmap.js';
import { inProcess } from '../../../../index.js';
import { Dmirror } from '../../../../uapi/client/dmirror-device.js';
import { ProcessHandle } from '../../../../uapi/client/process-handle.js';
import { EFAULT, EOPNOTSUPP, EPERM } from '../../../../uapi/errno.js';
import { MAP_ANONYMOUS, MAP_SHARED, PAGE_SIZE, PROT_READ } from '../../../../uapi/mman.js';
import { DeviceMachine } from '../../dmirror/device-machine.js';
import { BASE, RW } from '../../test-machine.js';

const HUGE = 512;

describe('exclusive access since 6.15', () => {
  function world(thpEnabled: 'always' | 'never' = 'never') {
    const w = new DeviceMachine({ profile: '6.19', thpEnabled });
    w.anon(0, HUGE);
    w.fill(0, 8, 100);
    return { w, file: w.open(0) };
  }

  it('takes page by page, and the pages before one that can not be had stay exclusive', () => {
    const { w, file } = world();
    w.run(doMprotectPkey(w.mm, BASE + 4 * PAGE_SIZE, PAGE_SIZE, PROT_READ));
    expect(w.command(file, 'EXCLUSIVE', 0, 8).ret).toBe(-EFAULT);
    expect(w.text(0, 8)).toBe('PTE 0-3 DEXCL\nPTE 4 PRESENT R\nPTE 5-7 PRESENT W');
    expect(w.command(file, 'CHECK_EXCLUSIVE', 0, 4).ret).toBe(-EPERM);
    w.check();
  });

  it('says what is wrong with a page: no memory there, or not anonymous', async () => {
    const transport = inProcess({ profile: '6.19' });
    const process = await ProcessHandle.create(transport);
    const device = await Dmirror.open(process, 0);
    const shared = await process.map(PAGE_SIZE, { flags: MAP_SHARED | MAP_ANONYMOUS });
    await shared.writeWords(Uint32Array.of(1));
    expect((await device.exclusive(shared.addr, 1)).ret).toBe(-EOPNOTSUPP);
    expect((await device.exclusive(shared.addr + 64 * PAGE_SIZE, 1)).ret).toBe(-EFAULT);
    await transport.close();
  });

  it('keeps the mapping, which a CPU access makes present again, with a CLEAR event', () => {
    const { w, file } = world();
    expect(w.command(file, 'EXCLUSIVE', 0, 2)).toMatchObject({ ret: 0, cpages: 2, words: [100, 101] });
    expect(w.trace(['notifier'], () => w.words(0, 1))).toEqual(['CLEAR 0-1']);
    expect(w.text(0, 2)).toBe('PTE 0 PRESENT W\nPTE 1 DEXCL');
    expect(w.command(file, 'CHECK_EXCLUSIVE', 0, 1).ret).toBe(0);
    w.check();
  });

  it('gives back what the vma allows by then', () => {
    const { w, file } = world();
    w.command(file, 'EXCLUSIVE', 0, 2);
    w.run(doMprotectPkey(w.mm, BASE, 2 * PAGE_SIZE, PROT_READ));
    expect(w.words(0, 1)).toEqual([100]);
    expect(w.text(0, 2)).toBe('PTE 0 PRESENT R\nPTE 1 DEXCL');
    w.run(doMprotectPkey(w.mm, BASE, 2 * PAGE_SIZE, RW));
    expect(w.words(0, 2)).toEqual([100, 101]);
    expect(w.text(0, 2)).toBe('PTE 0-1 PRESENT W');
    w.check();
  });

  it('ends at a fork, before the pages are shared', () => {
    const { w, file } = world();
    w.command(file, 'EXCLUSIVE', 0, 2);
    const child = w.fork();
    expect([w.text(0, 2), w.text(0, 2, child)]).toEqual(['PTE 0-1 PRESENT R', 'PTE 0-1 PRESENT R']);
    w.check();
  });

  it('splits a huge page and takes only what it needs of it', () => {
    const { w, file } = world('always');
    expect(w.command(file, 'EXCLUSIVE', 3, 2).ret).toBe(0);
    expect(w.text(0, HUGE)).toBe('PTE 0-2 PRESENT W\nPTE 3-4 DEXCL\nPTE 5-511 PRESENT W');
    w.check();
    w.run(vmMunmap(w.mm, BASE, 4 * PAGE_SIZE));
    w.check();
    expect(w.words(4, 1)).toEqual([104]);
    w.check();
  });

  it('turns into a migration entry when coherent pages leave their device', () => {
    const { w, file } = world();
    const coherent = w.open(2);
    w.command(coherent, 'MIGRATE_TO_DEV', 0, 4);
    expect(w.command(file, 'EXCLUSIVE', 0, 4).ret).toBe(0);
    expect(w.text(0, 4)).toBe('PTE 0-3 DEXCL');
    w.close(coherent);
    expect(w.text(0, 4)).toBe('PTE 0-3 PRESENT R');
    w.fill(0, 4, 7);
    expect(w.text(0, 4)).toBe('PTE 0-3 PRESENT W');
    w.check();
  });
});
