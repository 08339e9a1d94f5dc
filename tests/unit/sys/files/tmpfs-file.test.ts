import { describe, expect, it } from 'vitest';
import { F_SEAL, memfdAddSeals } from '../../../../driver/sys/files/seals.js';
import type { TmpfsFile } from '../../../../driver/sys/files/tmpfs-file.js';
import { EBADF, EEXIST, EFBIG, EISDIR, ENOENT, EPERM } from '../../../../uapi/errno.js';
import { O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC } from '../../../../uapi/fcntl.js';
import { MADV_REMOVE, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE } from '../../../../uapi/mman.js';
import { SIGBUS } from '../../../../uapi/signal.js';
import { inKernel, ret, smallMachine } from '../helpers.js';

const hello = Uint8Array.from([1, 2, 3, 4]);

describe('/tmp', () => {
  it('keeps what was written under its name', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const fd = ret(main, 'open', '/tmp/a', O_CREAT | O_RDWR, 0o600);
    expect(ret(main, 'pwrite', fd, hello, PAGE_SIZE - 2)).toBe(4);
    expect(ret(main, 'close', fd)).toBe(0);
    const again = ret(main, 'open', '/tmp/a', O_RDONLY);
    expect(machine.call(main, 'pread', again, 100, PAGE_SIZE - 3).bytes).toEqual(Uint8Array.from([0, 1, 2, 3, 4]));
    expect(ret(main, 'pwrite', again, hello, 0)).toBe(-EBADF);
  });

  it('answers as tmpfs does', () => {
    const { main } = smallMachine().createProcess();
    expect(ret(main, 'open', '/tmp/a', O_RDWR)).toBe(-ENOENT);
    expect(ret(main, 'open', '/nowhere', O_RDWR)).toBe(-ENOENT);
    expect(ret(main, 'open', '/tmp', O_RDWR)).toBe(-EISDIR);
    ret(main, 'open', '/tmp/a', O_CREAT | O_RDWR);
    expect(ret(main, 'open', '/tmp/a', O_CREAT | O_EXCL | O_RDWR)).toBe(-EEXIST);
    expect(ret(main, 'unlink', '/tmp/a')).toBe(0);
    expect(ret(main, 'unlink', '/tmp/a')).toBe(-ENOENT);
  });

  it('MADV_REMOVE punches its hole as fallocate does, so that a seal refuses it', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const fd = ret(main, 'open', '/tmp/a', O_CREAT | O_RDWR);
    ret(main, 'pwrite', fd, hello, 0);
    const addr = ret(main, 'mmap', 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    const file = main.process.files.get(fd) as TmpfsFile;
    for (const seal of [F_SEAL.futureWrite, F_SEAL.write]) {
      file.inode.seals = seal;
      expect(ret(main, 'madvise', addr, PAGE_SIZE, MADV_REMOVE)).toBe(-EPERM);
    }
    expect(machine.call(main, 'pread', fd, 4, 0).bytes).toEqual(hello);
    file.inode.seals = F_SEAL.shrink;
    expect(ret(main, 'madvise', addr, PAGE_SIZE, MADV_REMOVE)).toBe(0);
    expect(machine.call(main, 'pread', fd, 4, 0).bytes).toEqual(new Uint8Array(4));
    machine.checkInvariants();
  });

  it('may be as long as Linux lets it, and takes the blocks of its pages', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const fd = ret(main, 'open', '/tmp/a', O_CREAT | O_RDWR);
    const file = main.process.files.get(fd) as TmpfsFile;
    expect([ret(main, 'ftruncate', fd, 2 ** 62), file.stat()]).toMatchObject([0, { size: 2 ** 62, blocks: 0 }]);
    expect([ret(main, 'pwrite', fd, hello, 2 ** 45 - 2), file.stat().blocks]).toEqual([4, 16]);
    const addr = ret(main, 'mmap', 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 2 ** 45);
    expect(machine.call(main, 'load', addr, 2).bytes).toEqual(Uint8Array.of(3, 4));
    expect([ret(main, 'ftruncate', fd, 1), file.stat().blocks]).toEqual([0, 0]);
    expect(machine.call(main, 'load', addr, 1).signal?.signo).toBe(SIGBUS);
    expect(ret(main, 'ftruncate', fd, 2 ** 64)).toBe(-EFBIG);
    machine.checkInvariants();
  });

  it('the seal of who may execute it refuses to change that, and makes what is executable read only', () => {
    const { main } = smallMachine().createProcess();
    const fd = ret(main, 'open', '/tmp/a', O_CREAT | O_RDWR);
    const file = main.process.files.get(fd) as TmpfsFile;
    const addSeals = (seals: number): number | undefined =>
      inKernel(main, () => memfdAddSeals(file.inode, seals, file)).result;
    file.inode.seals = 0;
    expect([addSeals(F_SEAL.exec), file.inode.seals]).toEqual([0, F_SEAL.exec]);
    expect([file.chmod(0o700), file.chmod(0o640), file.stat().mode & 0o7777]).toEqual([-EPERM, 0, 0o640]);
    file.inode.seals = 0;
    expect([file.chmod(0o700), addSeals(F_SEAL.exec), file.inode.seals]).toEqual([0, 0, 0x3e]);
  });

  it('frees a file with its last name, descriptor and mapping', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const free = machine.memory.allocator.freeFrames;
    const fd = ret(main, 'open', '/tmp/a', O_CREAT | O_RDWR);
    ret(main, 'pwrite', fd, hello, 0);
    const addr = ret(main, 'mmap', 0, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    ret(main, 'unlink', '/tmp/a');
    ret(main, 'close', fd);
    expect(machine.call(main, 'load', addr, 4).bytes).toEqual(hello);
    expect(machine.memory.allocator.freeFrames).toBe(free - 1);
    ret(main, 'munmap', addr, PAGE_SIZE);
    expect(machine.memory.allocator.freeFrames).toBe(free);
    expect(machine.memory.mappings.size).toBe(0);
    machine.checkInvariants();
  });

  it('takes pages behind the end away from mappings when a file shrinks', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const fd = ret(main, 'open', '/tmp/a', O_CREAT | O_RDWR);
    ret(main, 'ftruncate', fd, 2 * PAGE_SIZE);
    const addr = ret(main, 'mmap', 0, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ret(main, 'store', addr, hello);
    ret(main, 'store', addr + PAGE_SIZE, hello);
    expect(ret(main, 'ftruncate', fd, 2)).toBe(0);
    expect(machine.call(main, 'load', addr, 4).bytes).toEqual(Uint8Array.from([1, 2, 0, 0]));
    expect(machine.call(main, 'load', addr + PAGE_SIZE, 4).signal?.signo).toBe(SIGBUS);
    expect(machine.pageTableText(main.process, addr, addr + 2 * PAGE_SIZE)).toBe('PTE 0 PRESENT W\nPTE 1 NONE');
    machine.checkInvariants();
  });

  it('empties a file that is opened to truncate', () => {
    const machine = smallMachine();
    const { main } = machine.createProcess();
    const fd = ret(main, 'open', '/tmp/a', O_CREAT | O_RDWR);
    ret(main, 'pwrite', fd, hello, 0);
    ret(main, 'open', '/tmp/a', O_RDWR | O_TRUNC);
    expect(machine.call(main, 'pread', fd, 4, 0).ret).toBe(0);
  });
});
