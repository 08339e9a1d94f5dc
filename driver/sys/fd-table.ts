import { EBADF, EMFILE } from '../../uapi/errno.js';
import type { Coroutine } from '../core/effect.js';
import type { OpenFile } from './open-file.js';

/** The descriptors of one process, shared by its threads. Linux: struct files_struct */
export class FdTable {
  private readonly files: (OpenFile | null)[] = [];

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

  get hasRoom(): boolean {
    return this.files.length < this.maxFiles || this.files.includes(null);
  }

  *close(fd: number): Coroutine<number> {
    const file = this.get(fd);
    if (file === null) return -EBADF;
    this.files[fd] = null;
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
    return copy;
  }

  /** Linux: fs/file.c:exit_files() */
  *closeAll(): Coroutine<void> {
    for (let fd = 0; fd < this.files.length; fd++) yield* this.close(fd);
    this.files.length = 0;
  }
}
