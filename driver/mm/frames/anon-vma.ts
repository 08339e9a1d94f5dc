import { LockClass } from '../../core/lock-class.js';
import { RwSem } from '../../core/locks.js';
import type { Memory } from '../memory.js';
import type { Vma } from '../vmas/vma.js';

/**
 * Finds the mappings of anonymous pages: a page's `mapping` names the anon_vma it was faulted under, and `vmas` are all
 * vmas, of this process and its descendants, that may map it. Linux: struct anon_vma with its anon_vma_chain tree.
 * `vmas` is kept in order of linking and protected by the root's rmap_lock.
 */
export class AnonVma {
  readonly vmas: Vma[] = [];
  readonly root: AnonVma;
  readonly parent: AnonVma;
  /** anon_vmas whose parent this is, itself included when it is a root. */
  numChildren = 0;
  /** vmas whose `anonVma` is this one. */
  numActiveVmas = 0;
  /** The lock of the whole tree; only the root's is used. */
  readonly lock: RwSem;

  constructor(
    memory: Memory,
    readonly id: number,
    parent: AnonVma | null,
  ) {
    this.root = parent === null ? this : parent.root;
    this.parent = parent ?? this;
    this.lock = parent === null ? new RwSem(memory.kernel, LockClass.rmapLock, 'anon_vma') : parent.root.lock;
  }
}
