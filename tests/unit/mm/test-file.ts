import type { Coroutine } from '../../../driver/core/effect.js';
import { KernelIter } from '../../../driver/mm/faults/iov-iter.js';
import { newShmemMapping, shmemFileWriteIter, shmemPunchHole } from '../../../driver/mm/files/shmem.js';
import { PAGE_SIZE } from '../../../driver/mm/frames/frames.js';
import type { Memory } from '../../../driver/mm/memory.js';
import type { MappedFile } from '../../../driver/mm/vmas/vma.js';

/** A tmpfs file with a count of its references, the opener's one included. */
export class TestFile implements MappedFile {
  readonly mapping;
  references = 1;

  constructor(
    private readonly memory: Memory,
    npages: number,
  ) {
    this.mapping = newShmemMapping(memory, npages * PAGE_SIZE);
  }

  get(): void {
    this.references++;
  }

  *put(): Coroutine<void> {
    this.references--;
  }

  write(offset: number, bytes: Uint8Array): Coroutine<number> {
    return shmemFileWriteIter(this.memory, this.mapping, new KernelIter(bytes), { offset, lenBytes: bytes.length });
  }

  /** Whatever is asked for, a hole. */
  *fallocate({ offset, len }: { offset: number; len: number }): Coroutine<number> {
    yield* shmemPunchHole(this.memory, this.mapping, offset, len);
    return 0;
  }
}
