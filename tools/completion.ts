import type { Command } from 'commander';
import { EXIT, UsageError } from './exit-code.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface Word {
  readonly text: string;
  readonly about: string;
}

interface OptionWord extends Word {
  /** Values to choose from; empty when any goes; undefined when the option takes none. */
  readonly values: readonly string[] | undefined;
}

interface Subcommand extends Word {
  readonly options: readonly OptionWord[];
}

/** `dmirror completion SHELL`: a script to be read by that shell. Made from the commands themselves, so it can't be behind them. */
export function completion(root: Command, shell: string, out: (line: string) => void): number {
  const commands = root.commands.map(subcommandOf);
  if (shell === 'bash') out(bashScript(commands));
  else if (shell === 'zsh') out(zshScript(commands));
  else if (shell === 'fish') out(fishScript(commands));
  else throw new UsageError(`no completion for '${shell}'`, `the shells are: ${SHELLS.join(', ')}`);
  return EXIT.pass;
}

function subcommandOf(command: Command): Subcommand {
  const options = command.options.flatMap((option): OptionWord[] => {
    const values = option.required || option.optional ? (option.argChoices ?? []) : undefined;
    const words = [option.long, option.short].filter((word): word is string => typeof word === 'string');
    return words.map((text) => ({ text, about: option.description, values }));
  });
  return {
    text: command.name(),
    about: command.description(),
    options: [...options, { text: '--help', about: 'show help', values: undefined }],
  };
}

// In these lines a shell's own ${...} stands, not ours.
/* biome-ignore-start lint/suspicious/noTemplateCurlyInString: shell text */
function bashScript(commands: readonly Subcommand[]): string {
  const cases = commands.map(({ text, options }) => {
    const valued = options.filter(({ values }) => values !== undefined);
    const values = valued.map(({ text: option, values }) =>
      values!.length > 0
        ? `      ${option}) COMPREPLY=($(compgen -W '${values!.join(' ')}' -- "$word")); return ;;`
        : `      ${option}) COMPREPLY=($(compgen -f -- "$word")); return ;;`,
    );
    return [
      `    ${text})`,
      `      case $previous in`,
      ...values,
      `      esac`,
      `      words='${options.map(({ text: option }) => option).join(' ')}' ;;`,
    ].join('\n');
  });
  return [
    '# bash completion for dmirror: source <(dmirror completion bash)',
    '_dmirror() {',
    '  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=',
    '  if ((COMP_CWORD == 1)); then',
    `    words='${commands.map(({ text }) => text).join(' ')} --help --version'`,
    '  else case ${COMP_WORDS[1]} in',
    ...cases,
    '  esac; fi',
    '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
    '}',
    'complete -F _dmirror dmirror',
  ].join('\n');
}

/* biome-ignore-end lint/suspicious/noTemplateCurlyInString: shell text */

/** A description inside an argument of zsh's _arguments or _describe. */
function zshText(text: string): string {
  return text.replace(/[\\:[\]]/g, '\\$&').replaceAll("'", "'\\''");
}

function zshScript(commands: readonly Subcommand[]): string {
  const list = commands.map(({ text, about }) => `    '${text}:${zshText(about)}'`);
  const cases = commands.map(({ text, options }) => {
    const specs = options.map(({ text: option, about, values }) => {
      const value = values === undefined ? '' : values.length > 0 ? `:value:(${values.join(' ')})` : ':value:_files';
      return `'*${option}[${zshText(about)}]${value}'`;
    });
    return `    ${text}) _arguments ${specs.join(' ')} ;;`;
  });
  return [
    '#compdef dmirror',
    '# zsh completion for dmirror: source <(dmirror completion zsh)',
    '_dmirror() {',
    '  local -a commands=(',
    ...list,
    '  )',
    '  if ((CURRENT == 2)); then _describe command commands; return; fi',
    '  local command=$words[2]',
    '  shift words; ((CURRENT--))',
    '  case $command in',
    ...cases,
    '  esac',
    '}',
    'if [ "$funcstack[1]" = _dmirror ]; then _dmirror "$@"; else compdef _dmirror dmirror; fi',
  ].join('\n');
}

function fishText(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

function fishScript(commands: readonly Subcommand[]): string {
  const lines = ['# fish completion for dmirror: dmirror completion fish | source', 'complete -c dmirror -f'];
  for (const { text, about, options } of commands) {
    lines.push(`complete -c dmirror -n __fish_use_subcommand -a ${text} -d ${fishText(about)}`);
    for (const option of options) {
      const name = option.text.startsWith('--') ? `-l ${option.text.slice(2)}` : `-s ${option.text.slice(1)}`;
      const value =
        option.values === undefined ? '' : option.values.length > 0 ? ` -x -a '${option.values.join(' ')}'` : ' -r -F';
      lines.push(
        `complete -c dmirror -n '__fish_seen_subcommand_from ${text}' ${name} -d ${fishText(option.about)}${value}`,
      );
    }
  }
  return lines.join('\n');
}
