import { describe, expect, it } from 'vitest';
import { MAX_INODES } from '../../../../driver/sys/processes/machine-limits.js';
import {
  EACCES,
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
} from '../../../../uapi/errno.js';
import { O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_RDWR } from '../../../../uapi/fcntl.js';
import { MAP_PRIVATE, MAP_SHARED, PAGE_SIZE } from '../../../../uapi/mman.js';
import { inKernel, ret, smallMachine } from '../helpers.js';

describe('the tree of paths', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const open = (path: string, flags = O_RDWR): number => ret(main, 'open', path, flags);

  it.each([
    ['/tmp/none', O_RDWR, -ENOENT],
    ['/nowhere/file', O_CREAT, -ENOENT],
    ['/dev/hmm_dmirror0/x', O_RDWR, -ENOTDIR],
    ['/dev/hmm_dmirror0', O_DIRECTORY, -ENOTDIR],
    ['/dev/hmm_dmirror0', O_CREAT | O_EXCL, -EEXIST],
    ['/tmp', O_RDWR, -EISDIR],
    [`/tmp/${'x'.repeat(256)}`, O_CREAT, -ENAMETOOLONG],
    ['/'.repeat(5000), O_RDWR, -ENAMETOOLONG],
  ])('open of %s with %i answers %i', (path, flags, answer) => expect(open(path, flags)).toBe(answer));

  it('a file of /tmp is found by its name until that is removed, and its bytes until it is closed', () => {
    const fd = open('/tmp/a', O_CREAT | O_RDWR);
    expect(open('/tmp/a', O_CREAT | O_EXCL)).toBe(-EEXIST);
    expect(ret(main, 'pwrite', fd, Uint8Array.of(7), 0)).toBe(1);
    expect(ret(main, 'unlink', '/tmp/a')).toBe(0);
    expect(open('/tmp/a')).toBe(-ENOENT);
    expect([...machine.call(main, 'pread', fd, 1, 0).bytes!]).toEqual([7]);
    expect(ret(main, 'unlink', '/dev/hmm_dmirror0')).toBe(-EPERM);
    expect(ret(main, 'unlink', '/tmp')).toBe(-EISDIR);
  });

  it('directories can be made below a tmpfs, and go when they are empty', () => {
    const { vfs } = machine;
    const { owner } = main.process;
    expect([vfs.mkdir('/tmp/d', owner), vfs.mkdir('/tmp/d/e', owner)]).toEqual([0, 0]);
    expect([vfs.mkdir('/tmp/d', owner), vfs.mkdir('/tmp/no/d', owner), vfs.mkdir('/sys/d', owner)]).toEqual([
      -EEXIST,
      -ENOENT,
      -ENOENT,
    ]);
    expect(ret(main, 'close', open('/tmp/d/e/f', O_CREAT | O_RDWR))).toBe(0);
    expect(vfs.list('/tmp/d', owner)).toEqual([{ name: 'e', isDirectory: true }]);
    const answers = ['/tmp/d', '/tmp/d/e', '/tmp/d/e/f', '/tmp', '/tmp/none'].map((path) => vfs.rmdir(path, owner));
    expect(answers).toEqual([-ENOTEMPTY, -ENOTEMPTY, -ENOTDIR, -EBUSY, -ENOENT]);
    expect([ret(main, 'unlink', '/tmp/d/e'), ret(main, 'unlink', '/tmp/d/e/f')]).toEqual([-EISDIR, 0]);
    expect([vfs.rmdir('/tmp/d/e', owner), vfs.rmdir('/tmp/d', owner)]).toEqual([0, 0]);
  });

  it('a tmpfs that is mounted on one holds as much as it says, until nobody has a file of it', () => {
    const { vfs } = machine;
    const { owner } = main.process;
    const umount = (): number | undefined => inKernel(main, () => vfs.umount('/tmp/m', owner)).result;
    vfs.mkdir('/tmp/m', owner);
    expect(umount()).toBe(-EINVAL);
    const wrong = ['/tmp/none', '/dev/null', '/dev'].map((path) => [
      vfs.mountTmpfs(path, owner, 'size=x'),
      vfs.mountTmpfs(path, owner, ''),
    ]);
    expect(wrong).toEqual([
      [-ENOENT, -ENOENT],
      [-EINVAL, -ENOTDIR],
      [-EINVAL, -EPERM],
    ]);
    expect(vfs.mountTmpfs('/tmp/m', owner, 'huge=always,size=8k')).toBe(0);
    expect([vfs.mountTmpfs('/tmp/m', owner, ''), vfs.rmdir('/tmp/m', owner)]).toEqual([-EBUSY, -EBUSY]);
    const fd = open('/tmp/m/f', O_CREAT | O_RDWR);
    const writes = [0, 4096, 8192].map((offset) => ret(main, 'pwrite', fd, Uint8Array.of(1), offset));
    expect(writes).toEqual([1, 1, -ENOSPC]);
    const addr = ret(main, 'mmap', 0, 12288, 3, 1, fd, 0);
    expect(ret(main, 'ftruncate', fd, 12288)).toBe(0);
    expect(machine.call(main, 'load', addr + 8192, 1).signal?.signo).toBe(7);
    ret(main, 'close', fd);
    expect([umount(), vfs.rmdir('/tmp/m', owner)]).toEqual([-EBUSY, -EBUSY]);
    ret(main, 'munmap', addr, 12288);
    expect([umount(), open('/tmp/m/f'), vfs.rmdir('/tmp/m', owner)]).toEqual([0, -ENOENT, 0]);
  });

  it.each([
    ['', [8192, 8192, 8192, 8191]],
    [',size=8k,,nr_inodes=3,', [2, 2, 3, 2]],
    ['nr_blocks=0x10,size=0', [0, 0, 8192, 8191]],
    ['size=010k,nr_blocks=02K', [2048, 2048, 8192, 8191]],
    ['size=1,nr_inodes=0', [1, 1, 0, 0]],
    ['size=50%', [8192, 8192, 8192, 8191]],
    ['size=16E', [0, 0, 8192, 8191]],
    ['rw,inode64,mode=+1777,uid=0,gid=4294967294,huge=within_size', [8192, 8192, 8192, 8191]],
    ...[
      'size',
      'size=',
      'size=8x',
      'size= 8',
      'size=-1',
      'size=08',
      'nr_blocks=5%',
      'nr_blocks=8E',
      'nr_inodes=16P',
    ].map((wrong): [string, null] => [wrong, null]),
    ...['mode=8', 'mode=77777777777', 'huge=maybe', 'huge', 'inode64=1', 'uid=-1', 'uid=4294967295', 'x', '=8k'].map(
      (wrong): [string, null] => [`size=8k,${wrong}`, null],
    ),
  ])('a tmpfs with %j is as large as that says', (options, shown) => {
    const { vfs } = smallMachine({ ramBytes: 64 << 20 });
    vfs.mkdir('/tmp/m', 1);
    expect(vfs.mountTmpfs('/tmp/m', 1, options)).toBe(shown === null ? -EINVAL : 0);
    if (shown !== null) expect(Object.values(vfs.statfs('/tmp/m', null))).toEqual(shown);
  });

  it('what is in a tmpfs is not free', () => {
    const { main } = smallMachine().createProcess();
    const { vfs } = main.process.machine;
    const { owner } = main.process;
    const make = (name: string): number => ret(main, 'open', `/tmp/m/${name}`, O_CREAT | O_RDWR);
    vfs.mkdir('/tmp/m', owner);
    expect(vfs.mountTmpfs('/tmp/m', owner, 'size=1m,nr_inodes=4')).toBe(0);
    const fd = make('a');
    ret(main, 'pwrite', fd, Uint8Array.of(1), 8192);
    expect([vfs.mkdir('/tmp/m/d', owner), make('d/b') > 0, make('c'), vfs.mkdir('/tmp/m/e', owner)]).toEqual([
      0,
      true,
      -ENOSPC,
      -ENOSPC,
    ]);
    expect(vfs.statfs('/tmp/m/d', null)).toEqual({ blocks: 256, freeBlocks: 255, files: 4, freeFiles: 0 });
  });

  it('directories are as few as files can be', () => {
    const { vfs } = smallMachine();
    let made = 0;
    while (vfs.mkdir(`/tmp/${made}`, 1) === 0) made++;
    expect(made).toBe(MAX_INODES);
    expect(vfs.mkdir('/tmp/one-more', 1)).toBe(-ENOSPC);
  });

  it('a name that is given to another file is that one from then on', () => {
    for (const name of ['b', 'c'])
      ret(main, 'pwrite', open(`/tmp/${name}`, O_CREAT | O_RDWR), Uint8Array.of(name.charCodeAt(0)), 0);
    expect(inKernel(main, () => machine.vfs.rename('/tmp/b', '/tmp/c'))).toEqual({ result: 0 });
    expect(open('/tmp/b')).toBe(-ENOENT);
    expect([...machine.call(main, 'pread', open('/tmp/c'), 1, 0).bytes!]).toEqual(['b'.charCodeAt(0)]);
    expect(machine.vfs.list('/tmp', main.process.owner)).toContainEqual({ name: 'c', isDirectory: false });
    expect(machine.vfs.list('/', main.process.owner)).toContainEqual({ name: 'dev', isDirectory: true });
  });

  it('names go with their owner', () => {
    expect(machine.vfs.hasFilesOf(main.process.owner)).toBe(true);
    inKernel(main, () => machine.vfs.removeOf(main.process.owner));
    expect(machine.vfs.hasFilesOf(main.process.owner)).toBe(false);
    expect(open('/tmp/c')).toBe(-ENOENT);
  });
});

it('/dev/zero that is open for reading alone stays so where it is mapped shared', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const fd = ret(main, 'open', '/dev/zero', O_RDONLY);
  const [shared, own] = [MAP_SHARED, MAP_PRIVATE].map((flags) => ret(main, 'mmap', 0, PAGE_SIZE, 1, flags, fd, 0));
  expect([ret(main, 'mprotect', shared!, PAGE_SIZE, 3), ret(main, 'mprotect', own!, PAGE_SIZE, 3)]).toEqual([
    -EACCES,
    0,
  ]);
  expect(ret(main, 'mmap', 0, PAGE_SIZE, 3, MAP_SHARED, fd, 0)).toBe(-EACCES);
  const writable = ret(main, 'open', '/dev/zero', O_RDWR);
  const both = ret(main, 'mmap', 0, PAGE_SIZE, 1, MAP_SHARED, writable, 0);
  expect([machine.call(main, 'load', shared!, 1).bytes, ret(main, 'mprotect', both, PAGE_SIZE, 3)]).toEqual([
    new Uint8Array(1),
    0,
  ]);
});
