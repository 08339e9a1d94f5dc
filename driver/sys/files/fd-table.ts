import { EBADF, EBUSY, EMFILE } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import type { Kernel } from '../../core/kernel.js';
import { Access, Shared } from '../../core/observer.js';
import type { OpenFile } from './open-file.js';

/** The descriptors of one process, shared by its threads, and by processes that ask for it. Linux: struct files_struct */
export class FdTable {
  private readonly files: (OpenFile | null)[] = [];
  /** Descriptors that execve(2) closes. */
  private readonly closedOnExec = new Set<number>();
  /** Descriptors that are taken and name nothing yet. */
  private readonly reserved = new Set<number>();
  /** Processes that have it; more than one after clone(2) with CLONE_FILES. */
  private users = 1;

  private readonly objectId: number;

  /** `maxFiles` as RLIMIT_NOFILE has it. */
  constructor(
    private readonly maxFiles: number,
    private readonly kernel: Kernel,
  ) {
    this.objectId = kernel.scheduler.newObjectId();
  }

  private touch(how: number): void {
    this.kernel.observer?.touch(Shared.files, this.objectId, how, 1);
  }

  get(fd: number): OpenFile | null {
    this.touch(Access.read);
    return this.files[fd] ?? null;
  }

  /** In order. */
  *openFds(): Iterable<number> {
    this.touch(Access.read);
    for (const [fd, file] of this.files.entries()) if (file != null) yield fd;
  }

  /** The lowest free descriptor now names `file`, whose reference it takes over; -EMFILE. */
  install(file: OpenFile): number {
    const fd = this.lowestFree(0);
    if (fd >= 0) this.put(fd, file);
    return fd;
  }

  /** Keeps the lowest free descriptor for what comes of a call that may yet fail; -EMFILE. Linux: fs/file.c:get_unused_fd_flags() */
  getUnusedFdFlags(): number {
    const fd = this.lowestFree(0);
    if (fd >= 0) this.reserved.add(fd);
    return fd;
  }

  /** A reserved descriptor is free again. Linux: fs/file.c:put_unused_fd() */
  putUnusedFd(fd: number): void {
    this.touch(Access.write);
    this.reserved.delete(fd);
  }

  /** A reserved descriptor now names `file`, whose reference it takes over. Linux: fs/file.c:fd_install() */
  fdInstall(fd: number, file: OpenFile): void {
    assert(this.reserved.delete(fd), 'descriptor % is filled and was not reserved', fd);
    this.put(fd, file);
  }

  private lowestFree(from: number): number {
    let fd = from;
    // Whoever asks takes it.
    this.touch(Access.write);
    while (this.files[fd] != null || this.reserved.has(fd)) fd++;
    return fd < this.maxFiles ? fd : -EMFILE;
  }

  /** As `install`, at the lowest free descriptor from `from` on. Linux: fs/file.c:f_dupfd() */
  fDupfd(file: OpenFile, from: number): number {
    const fd = this.lowestFree(from);
    if (fd >= 0) this.put(fd, file);
    return fd;
  }

  /** `fd` names `file` from now on; what it named before is closed. Linux: fs/file.c:do_dup2() */
  *doDup2(fd: number, file: OpenFile): Coroutine<number> {
    if (fd < 0 || fd >= this.maxFiles) return -EBADF;
    if (this.reserved.has(fd)) return -EBUSY;
    const old = this.get(fd);
    this.put(fd, file);
    if (old !== null) yield* old.put();
    return fd;
  }

  private put(fd: number, file: OpenFile): void {
    this.touch(Access.write);
    while (this.files.length < fd) this.files.push(null);
    this.files[fd] = file;
    this.closedOnExec.delete(fd);
  }

  isCloseOnExec(fd: number): boolean {
    return this.closedOnExec.has(fd);
  }

  setCloseOnExec(fd: number, on: boolean): void {
    if (on) this.closedOnExec.add(fd);
    else this.closedOnExec.delete(fd);
  }

  /** Linux: fs/file.c:do_close_on_exec() */
  *doCloseOnExec(): Coroutine<void> {
    for (const fd of [...this.closedOnExec]) yield* this.close(fd);
  }

  get hasRoom(): boolean {
    return this.lowestFree(0) >= 0;
  }

  *close(fd: number): Coroutine<number> {
    const file = this.get(fd);
    if (file === null) return -EBADF;
    this.touch(Access.write);
    this.files[fd] = null;
    this.closedOnExec.delete(fd);
    yield* file.put();
    return 0;
  }

  /** A child's table: the same open files under the same numbers. Linux: fs/file.c:dup_fd() */
  dupFd(): FdTable {
    this.touch(Access.read);
    const copy = new FdTable(this.maxFiles, this.kernel);
    for (const file of this.files) {
      file?.get();
      copy.files.push(file);
    }
    for (const fd of this.closedOnExec) copy.closedOnExec.add(fd);
    return copy;
  }

  get isShared(): boolean {
    return this.users > 1;
  }

  /** One more process has this very table. */
  share(): FdTable {
    this.touch(Access.write);
    this.users++;
    return this;
  }

  /** A process ends or takes a copy; with the last one everything is closed. Linux: fs/file.c:exit_files() */
  *exitFiles(): Coroutine<void> {
    this.touch(Access.write);
    assert(this.users > 0, 'a descriptor table is left once too often');
    if (--this.users > 0) return;
    for (let fd = 0; fd < this.files.length; fd++) yield* this.close(fd);
    this.files.length = 0;
  }
}
