import type { Command } from 'commander';
import { bashScript } from '../completion/bash.js';
import { fishScript } from '../completion/fish.js';
import { placeOf } from '../completion/place.js';
import { zshScript } from '../completion/zsh.js';
import { EXIT } from '../exit-code.js';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript };
export type Shell = keyof typeof SCRIPTS;

/** `dmirror completion SHELL`: a script to be read by that shell. Made from the commands themselves, so it can't be behind them. */
export function completion(root: Command, shell: Shell, out: (line: string) => void): number {
  out(SCRIPTS[shell](placeOf(root)));
  return EXIT.pass;
}
