import type {
  FolioView,
  MachineView,
  MirrorPageView,
  PageView,
  TaskView,
} from '../../driver/recording/machine-view.js';
import { mirrorSign, pageSign } from './cell-sign.js';

/** What another view has at the places of this one. Frames of two runs have other numbers, so between runs only their kinds count. */
export class Diff {
  readonly pages: ReadonlyMap<string, PageView>;
  readonly mirrors: ReadonlyMap<string, MirrorPageView>;
  private readonly folios: ReadonlyMap<number, FolioView>;
  private readonly tasks: ReadonlyMap<number, TaskView>;

  constructor(
    readonly other: MachineView,
    private readonly isSameRun: boolean,
  ) {
    this.pages = new Map(other.spaces.flatMap(({ mm, pages }) => pages.map((page) => [`${mm} ${page.vpn}`, page])));
    this.mirrors = new Map(
      other.mirrors.flatMap(({ file, pages }) => pages.map((page) => [`${file} ${page.vpn}`, page])),
    );
    this.folios = new Map(other.folios.map((folio) => [folio.pfn, folio]));
    this.tasks = new Map(other.tasks.map((task) => [task.id, task]));
  }

  /** What the other has there where that differs, else null. */
  page(mm: number, vpn: number, page: PageView | undefined): string | null {
    const other = this.pages.get(`${mm} ${vpn}`);
    const isSame = pageSign(page) === pageSign(other) && page?.text === other?.text;
    if (isSame && (!this.isSameRun || page?.pfn === other?.pfn)) return null;
    return other === undefined ? 'none' : pageText(other);
  }

  mirror(file: number, vpn: number, page: MirrorPageView | undefined): string | null {
    const other = this.mirrors.get(`${file} ${vpn}`);
    const isSame = mirrorSign(page) === mirrorSign(other);
    if (isSame && (!this.isSameRun || page?.pfn === other?.pfn)) return null;
    return other === undefined ? 'none' : `${other.access} ${other.pfn}`;
  }

  folio(folio: FolioView): string | null {
    if (!this.isSameRun) return null;
    const other = this.folios.get(folio.pfn);
    if (other === undefined) return 'mapped by nobody';
    const text = folioText(other);
    return text === folioText(folio) ? null : text;
  }

  task(task: TaskView): string | null {
    const other = this.tasks.get(task.id);
    if (other === undefined) return 'not there';
    const text = taskText(other);
    return text === taskText(task) ? null : text;
  }

  notifier(mm: number, seq: number | undefined): string | null {
    const other = this.other.spaces.find((space) => space.mm === mm)?.notifier?.seq;
    return other === seq ? null : String(other ?? 'none');
  }

  /** How many entries, mirror entries and folios differ. */
  count(view: MachineView): { pages: number; mirrors: number; folios: number } {
    const pages = new Set(this.pages.keys());
    let changed = 0;
    for (const { mm, pages: own } of view.spaces)
      for (const page of own) {
        pages.delete(`${mm} ${page.vpn}`);
        if (this.page(mm, page.vpn, page) !== null) changed++;
      }
    const mirrors = new Set(this.mirrors.keys());
    let mirrored = 0;
    for (const { file, pages: own } of view.mirrors)
      for (const page of own) {
        mirrors.delete(`${file} ${page.vpn}`);
        if (this.mirror(file, page.vpn, page) !== null) mirrored++;
      }
    const folios = view.folios.filter((folio) => this.folio(folio) !== null).length;
    return { pages: changed + pages.size, mirrors: mirrored + mirrors.size, folios };
  }
}

export function pageText({ text, pfn }: PageView): string {
  return pfn === 0 ? text : `${text} ${pfn}`;
}

function folioText({ refcount, mapcount, flags, lockedBy }: FolioView): string {
  const lock = lockedBy === null ? '' : `, locked by ${lockedBy}`;
  return `${refcount} references, ${mapcount} mappings, ${flags.join(' ') || 'no flags'}${lock}`;
}

function taskText({ state, doing, holds, waitsFor }: TaskView): string {
  return [state, doing, holds.join(' '), waitsFor === null ? '' : `waits for ${waitsFor}`].filter(Boolean).join(', ');
}
