import type { ProcessHandle } from '../../uapi/client/process-handle.js';
import { SyscallError } from '../../uapi/client/transport.js';
import { O_RDONLY } from '../../uapi/fcntl.js';
import { MAP_ANONYMOUS, MAP_HUGETLB, MAP_PRIVATE } from '../../uapi/mman.js';
import { HmmBuffer, TWO_MEG } from './buffer.js';
import { SkipError } from './case.js';

/** The default hugetlb page size in bytes, as /proc/meminfo has it. Skips the case when it can't be known. */
async function hugetlbPageBytes(process: ProcessHandle): Promise<number> {
  const fd = await process.open('/proc/meminfo', O_RDONLY);
  const text = fd < 0 ? '' : new TextDecoder().decode((await process.pread(fd, 4096, 0)).bytes);
  if (fd >= 0) await process.close(fd);
  const match = /^Hugepagesize:\s*(\d+) kB/m.exec(text);
  if (!match) throw new SkipError('Huge page size could not be determined');
  return Number(match[1]) * 1024;
}

/** A private hugetlb mapping of one page, with its mirror buffer. Skips the case when no page is free. */
export async function createHugetlbBuffer(process: ProcessHandle): Promise<HmmBuffer> {
  const pageBytes = await hugetlbPageBytes(process);
  const sizeBytes = Math.ceil(TWO_MEG / pageBytes) * pageBytes;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
  try {
    return await HmmBuffer.create(process, { sizeBytes, flags });
  } catch (error) {
    if (error instanceof SyscallError) throw new SkipError('Huge page could not be allocated');
    throw error;
  }
}
