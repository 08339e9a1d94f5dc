import { EINVAL, ENXIO } from '../../../uapi/errno.js';
import { SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET } from '../../../uapi/fcntl.js';
import { MAX_FILE_BYTES } from '../processes/machine-limits.js';

/** What lseek(2) is asked. */
export interface Seek {
  readonly offset: number;
  readonly whence: number;
}

/** What has a position; `stat` tells the length. */
interface Seekable {
  position: number;
  stat(): { readonly size: number };
}

/** The new position, or -EINVAL. Linux: fs/read_write.c:vfs_setpos() */
export function vfsSetpos(file: Seekable, position: number): number {
  if (position < 0 || position >= MAX_FILE_BYTES) return -EINVAL;
  file.position = position;
  return position;
}

/** All of the file is data, and a hole is behind its end. Linux: fs/read_write.c:generic_file_llseek_size() */
export function genericFileLlseekSize(file: Seekable, { offset, whence }: Seek): number {
  const { size } = file.stat();
  const isBehind = offset < 0 || offset >= size;
  if (isBehind && (whence === SEEK_DATA || whence === SEEK_HOLE)) return -ENXIO;
  return setFrom(file, size, { offset, whence });
}

/** As `genericFileLlseekSize`, but for a negative offset, and any position is one. Linux: fs/read_write.c:default_llseek() */
export function defaultLlseek(file: Seekable, { offset, whence }: Seek): number {
  const { size } = file.stat();
  if (offset >= size && (whence === SEEK_DATA || whence === SEEK_HOLE)) return -ENXIO;
  return setFrom(file, size, { offset, whence });
}

function setFrom(file: Seekable, size: number, { offset, whence }: Seek): number {
  if (whence === SEEK_HOLE) return vfsSetpos(file, size);
  const base = { [SEEK_CUR]: file.position, [SEEK_END]: size }[whence] ?? 0;
  return vfsSetpos(file, base + offset);
}

/** From its begin or the position alone. Linux: part of fs/seq_file.c:seq_lseek(), fs/libfs.c:dcache_dir_lseek() */
export function seqLseek(file: Seekable, { offset, whence }: Seek): number {
  if (whence !== SEEK_SET && whence !== SEEK_CUR) return -EINVAL;
  return vfsSetpos(file, whence === SEEK_SET ? offset : file.position + offset);
}

/** As `seqLseek`; addresses may be negative. Linux: fs/proc/base.c:mem_lseek() */
export function memLseek(file: Seekable, { offset, whence }: Seek): number {
  if (whence !== SEEK_SET && whence !== SEEK_CUR) return -EINVAL;
  file.position = whence === SEEK_SET ? offset : file.position + offset;
  return file.position;
}
