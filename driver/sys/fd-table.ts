import { EBADF, EMFILE } from '../../uapi/errno.js';
import type { Coroutine } from '../core/effect.js';
import type { OpenFile } from './open-file.js';

/** The descriptors of one process, shared by its threads. Linux: struct files_struct */
export class FdTable {
  private readonly files: (OpenFile | null)[] = [];
  /** Descriptors that execve(2) closes. */
  private readonly closedOnExec = new Set<number>();

  /** `maxFiles` as RLIMIT_NOFILE has it. */
  constructor(private readonly maxFiles: number) {}

  get(fd: number): OpenFile | null {
    return this.files[fd] ?? null;
  }

  /** The lowest free descriptor now names `file`, whose reference it takes over; -EMFILE. */
  install(file: OpenFile): number {
    const free = this.files.indexOf(null);
    const fd = free < 0 ? this.files.length : free;
    if (fd >= this.maxFiles) return -EMFILE;
    this.files[fd] = file;
    return fd;
  }

  /** As `install`, at the lowest free descriptor from `from` on. Linux: f_dupfd() */
  installFrom(file: OpenFile, from: number): number {
    let fd = from;
    while (this.files[fd] != null) fd++;
    if (fd >= this.maxFiles) return -EMFILE;
    this.put(fd, file);
    return fd;
  }

  /** `fd` names `file` from now on; what it named before is closed. Linux: do_dup2() */
  *replace(fd: number, file: OpenFile): Coroutine<number> {
    if (fd < 0 || fd >= this.maxFiles) return -EBADF;
    const old = this.get(fd);
    this.put(fd, file);
    if (old !== null) yield* old.put();
    return fd;
  }

  private put(fd: number, file: OpenFile): void {
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
  *closeOnExec(): Coroutine<void> {
    for (const fd of [...this.closedOnExec]) yield* this.close(fd);
  }

  get hasRoom(): boolean {
    return this.files.length < this.maxFiles || this.files.includes(null);
  }

  *close(fd: number): Coroutine<number> {
    const file = this.get(fd);
    if (file === null) return -EBADF;
    this.files[fd] = null;
    this.closedOnExec.delete(fd);
    yield* file.put();
    return 0;
  }

  /** A child's table: the same open files under the same numbers. Linux: fs/file.c:dup_fd() */
  duplicate(): FdTable {
    const copy = new FdTable(this.maxFiles);
    for (const file of this.files) {
      file?.get();
      copy.files.push(file);
    }
    for (const fd of this.closedOnExec) copy.closedOnExec.add(fd);
    return copy;
  }

  /** Linux: fs/file.c:exit_files() */
  *closeAll(): Coroutine<void> {
    for (let fd = 0; fd < this.files.length; fd++) yield* this.close(fd);
    this.files.length = 0;
  }
}
