import { PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Cpu } from '../cpu.js';
import type { Hart } from '../hart.js';
import { interpretToTransfer } from '../isa/interp.js';
import { Trap, type TrapCode } from '../isa/trap.js';
import type { CompiledRegion } from './code-cache.js';
import { compileRegion } from './compile.js';
import { formRegion } from './region.js';

/** As `interpret`, with compiled code where the program is hot. */
export function runRegions(cpu: Cpu, maxInstructions: number): TrapCode {
  const { hart } = cpu;
  const { core } = hart;
  for (let left = maxInstructions; left > 0; ) {
    const region = findRegion(hart, cpu.pc);
    cpu.left = left;
    let trap: TrapCode = Trap.budget;
    if (region !== null) {
      trap = core.run(left, region.slot) as TrapCode;
      cpu.pc = core.nextPc;
      cpu.left = core.instructionsLeft;
      cpu.instret += left - cpu.left;
    }
    // A region that has no room for its first block leaves the last instructions to the interpreter.
    if (trap === Trap.budget && cpu.left === left) trap = interpretToTransfer(cpu, left);
    left = cpu.left;
    if (trap !== Trap.budget) return trap;
  }
  return Trap.budget;
}

/** The code that begins at `pc`, compiled now if the address has become hot. */
function findRegion(hart: Hart, pc: number): CompiledRegion | null {
  const { recent, generation } = hart.code;
  const slot = (pc >>> 1) & (recent.length - 1);
  const region = recent[slot]!;
  if (region !== null && region.entry === pc && region.checkedAt === generation) return region;
  const found = findInPage(hart, pc);
  if (found !== null) {
    recent[slot] = found;
    hart.core.addJump(pc, found.slot);
  }
  return found;
}

function findInPage(hart: Hart, pc: number): CompiledRegion | null {
  const page = hart.codePage(Math.floor(pc / PAGE_SIZE));
  if (page === null) return null;
  const at = (pc % PAGE_SIZE) >>> 1;
  const known = page.compiled.get(at);
  if (known != null && isMapped(hart, known)) return known;
  if (known === null) return null;
  if (page.heat[at]! < hart.code.hot) {
    page.heat[at]!++;
    return null;
  }
  if (known !== undefined) hart.core.remove(known.slot);
  const region = formRegion(hart, pc);
  const compiled =
    region === null
      ? null
      : { ...region, slot: hart.core.add(compileRegion(region)), checkedAt: hart.code.generation };
  page.compiled.set(at, compiled);
  return compiled;
}

/** Are all pages that the region came from still what they were, at their places? */
function isMapped(hart: Hart, region: CompiledRegion): boolean {
  if (region.checkedAt === hart.code.generation) return true;
  for (const page of region.pages) if (hart.codePage(page.vpn) !== page) return false;
  region.checkedAt = hart.code.generation;
  return true;
}
