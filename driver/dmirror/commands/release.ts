import { type Coroutine, FINE } from '../../core/effect.js';
import type { DmirrorDevice } from '../memory/device.js';
import { dmirrorDeviceEvictChunk } from '../memory/evict.js';

/**
 * RELEASE: all memory of the device goes, with its pages moved to system memory, for every process (Q14). Blocks until
 * nobody holds a page of the device any more (Q13). Linux: lib/test_hmm.c:dmirror_device_remove_chunks()
 */
export function* dmirrorDeviceRemoveChunks(device: DmirrorDevice): Coroutine<void> {
  yield* device.devmemLock.lock();
  for (const chunk of device.chunks) {
    const { scheduler } = device.memory.kernel;
    if (scheduler.isFine) yield FINE.devLock;
    device.dmirrorRemoveFreePages(chunk);
    yield* dmirrorDeviceEvictChunk(device, chunk);
    while (device.pagesInUse(chunk) > 0) yield chunk.drainQueue;
    device.unmapChunk(chunk);
  }
  device.forgetChunksLocked();
  device.devmemLock.unlock();
}
