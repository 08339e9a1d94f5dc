import { PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Cpu } from '../cpu.js';
import type { Hart } from '../hart.js';
import { interpretToTransfer } from '../isa/interp.js';
import { Trap, type TrapCode } from '../isa/trap.js';
import type { CompiledRegion } from './code-cache.js';
import { compileRegions } from './compile.js';
import { formRegion, type Region } from './region.js';

/** Regions that are compiled together, as most of what a module costs is the module itself. */
const BATCH = 16;

/** As `interpret`, with compiled code where the program is hot. */
export function runRegions(cpu: Cpu, maxInstructions: number): TrapCode {
  const { hart } = cpu;
  const { core } = hart;
  // Where a slice begins is no place that the program goes to.
  let isTransfer = hart.code.hot === 0;
  for (let left = maxInstructions; left > 0; ) {
    const slot = findCode(hart, cpu.pc, isTransfer);
    cpu.left = left;
    let trap: TrapCode = Trap.budget;
    if (slot >= 0) {
      trap = core.run(left, slot) as TrapCode;
      cpu.pc = core.nextPc;
      cpu.left = core.instructionsLeft;
      cpu.instret += left - cpu.left;
    }
    // A region that has no room for its first block leaves the last instructions to the interpreter.
    if (trap === Trap.budget && cpu.left === left) trap = interpretToTransfer(cpu, left);
    left = cpu.left;
    if (trap !== Trap.budget) return trap;
    isTransfer = true;
  }
  return Trap.budget;
}

/** The slot of the code that begins at `pc`, or -1. It is compiled now if the program has often come here. */
function findCode(hart: Hart, pc: number, isTransfer: boolean): number {
  const slot = hart.core.jumpAt(pc);
  if (slot >= 0) return slot;
  const page = hart.codePage(Math.floor(pc / PAGE_SIZE));
  if (page === null) return -1;
  const at = (pc % PAGE_SIZE) >>> 1;
  const known = page.compiled.get(at);
  if (known != null && isMapped(hart, known)) return found(hart, known);
  if (known === null || !isTransfer) return -1;
  page.heat[at]!++;
  if (page.heat[at]! === hart.code.hot >> 1) hart.code.warm.add(pc);
  if (page.heat[at]! <= hart.code.hot) return -1;
  if (hart.core.isFull) {
    hart.code.startAfresh();
    return -1;
  }
  compileHot(hart, pc);
  const compiled = page.compiled.get(at);
  return compiled == null ? -1 : found(hart, compiled);
}

function found(hart: Hart, { entry, slot }: CompiledRegion): number {
  hart.core.addJump(entry, slot);
  return slot;
}

/** Are all pages that the region came from still what they were, at their places? */
function isMapped(hart: Hart, region: CompiledRegion): boolean {
  if (region.checkedAt === hart.code.generation) return true;
  for (const page of region.pages) if (hart.codePage(page.vpn) !== page) return false;
  region.checkedAt = hart.code.generation;
  return true;
}

/** Compiles what begins at `hot`, and with it what is about to become hot. */
function compileHot(hart: Hart, hot: number): void {
  const { code } = hart;
  const regions: Region[] = [];
  const covered = new Set<number>();
  for (const pc of [hot, ...code.warm]) {
    code.warm.delete(pc);
    const region = covered.has(pc) ? null : formRegion(hart, pc);
    if (region === null) continue;
    for (const { start } of region.blocks) covered.add(start);
    if (regions.push(region) === BATCH) break;
  }
  code.forget(hart.codePage(Math.floor(hot / PAGE_SIZE))!, hot);
  if (regions.length === 0) return;
  const slots = hart.core.add(compileRegions(regions));
  regions.forEach((region, i) => {
    const page = hart.codePage(Math.floor(region.entry / PAGE_SIZE))!;
    code.forget(page, region.entry);
    page.compiled.set((region.entry % PAGE_SIZE) >>> 1, { ...region, slot: slots[i]!, checkedAt: code.generation });
  });
}
