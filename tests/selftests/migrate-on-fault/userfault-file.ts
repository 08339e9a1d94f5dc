// A userfaultfd as a case uses it, and what /proc tells of pages.

import type { MappedMemory } from '../../../uapi/client/mapped-memory.js';
import type { ThreadHandle } from '../../../uapi/client/process-handle.js';
import { must } from '../../../uapi/client/transport.js';
import { O_NONBLOCK, O_RDWR } from '../../../uapi/fcntl.js';
import { PAGE_SIZE } from '../../../uapi/mman.js';
import { PAGE_IS, PAGEMAP_SCAN, PM_SCAN, PM_SCAN_ARG_BYTES } from '../../../uapi/pm-scan.js';
import { UFFD_API, UFFD_FEATURE, UFFDIO, USERFAULTFD_IOC_NEW } from '../../../uapi/userfaultfd.js';
import { expectRet } from '../expect.js';

/** struct page_region: both ends and what the pages are. */
const REGION_WORDS = 3;

function quads(...values: number[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values, BigInt).buffer);
}

export class UserfaultFile {
  private constructor(
    readonly process: ThreadHandle,
    readonly fd: number,
  ) {}

  /** One whose write protection is taken off by the first write. */
  static async open(process: ThreadHandle): Promise<UserfaultFile> {
    const device = must('open', await process.open('/dev/userfaultfd', O_RDWR));
    const fd = must('USERFAULTFD_IOC_NEW', await process.ioctl(device, USERFAULTFD_IOC_NEW, O_NONBLOCK));
    expectRet(await process.close(device), 0, 'close');
    const file = new UserfaultFile(process, fd);
    expectRet(await file.ioctl('API', UFFD_API, UFFD_FEATURE.wpAsync, 0), 0, 'UFFDIO_API');
    return file;
  }

  async ioctl(name: keyof typeof UFFDIO, ...words: number[]): Promise<number> {
    return (await this.process.ioctlBytes(this.fd, UFFDIO[name], quads(...words))).ret;
  }

  /** All waiters go on, and nothing is protected any more. */
  async close(): Promise<void> {
    expectRet(await this.process.close(this.fd), 0, 'close of the userfaultfd');
  }
}

/** PAGEMAP_SCAN for what was written, which protects it; how many regions, into `vec`. */
export async function scanWritten(process: ThreadHandle, { addr, sizeBytes }: MappedMemory, vec: number) {
  const fd = must('open', await process.open('/proc/self/pagemap', 0));
  const flags = PM_SCAN.wpMatching | PM_SCAN.checkWpAsync;
  const masks = [0, PAGE_IS.written, 0, PAGE_IS.written];
  const vecLen = Math.floor(PAGE_SIZE / (8 * REGION_WORDS));
  const arg = quads(PM_SCAN_ARG_BYTES, flags, addr, addr + sizeBytes, 0, vec, vecLen, 0, ...masks);
  const { ret } = await process.ioctlBytes(fd, PAGEMAP_SCAN, arg);
  await process.close(fd);
  return ret;
}

/** A digit a page, as /proc/self/pagemap says: 1 soft-dirty, 2 write-protected. */
export async function marksOf(process: ThreadHandle, { addr, sizeBytes }: MappedMemory): Promise<string> {
  const fd = must('open', await process.open('/proc/self/pagemap', 0));
  const { bytes = new Uint8Array() } = await process.pread(fd, (sizeBytes / PAGE_SIZE) * 8, (addr / PAGE_SIZE) * 8);
  await process.close(fd);
  let digits = '';
  for (let at = 0; at < bytes.length; at += 8) digits += (bytes[at + 6]! >>> 7) | (bytes[at + 7]! & 2);
  return digits;
}

/** Bytes done by /proc/self/mem, as process_vm_readv(2) and process_vm_writev(2) do them. */
export async function remoteAccess(process: ThreadHandle, addr: number, access: number | Uint8Array): Promise<number> {
  const fd = must('open', await process.open('/proc/self/mem', O_RDWR));
  const ret =
    typeof access === 'number' ? (await process.pread(fd, access, addr)).ret : await process.pwrite(fd, access, addr);
  await process.close(fd);
  return ret;
}

/** No page is soft-dirty any more. */
export async function clearSoftDirty(process: ThreadHandle): Promise<number> {
  const fd = must('open', await process.open('/proc/self/clear_refs', O_RDWR));
  const ret = await process.pwrite(fd, new TextEncoder().encode('4'), 0);
  await process.close(fd);
  return ret;
}
