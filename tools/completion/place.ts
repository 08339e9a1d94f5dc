import type { Command } from 'commander';

export interface OptionWord {
  readonly text: string;
  readonly about: string;
  /** Values to choose from; empty when any goes; undefined when the option takes none. */
  readonly values: readonly string[] | undefined;
}

/** A point in a command line behind the name of a command, and what can stand there. */
export interface WordPlace {
  /** The names of the commands up to here, from the first below the root. */
  readonly path: readonly string[];
  readonly about: string;
  readonly commands: readonly WordPlace[];
  readonly options: readonly OptionWord[];
  /** What an argument can be; empty when any goes. */
  readonly values: readonly string[];
  readonly takesFiles: boolean;
}

/** The place behind `command`, with all places further on. */
export function placeOf(command: Command, path: readonly string[] = []): WordPlace {
  const values = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  const help = { text: '--help', about: 'show help', values: undefined };
  return {
    path,
    about: command.description(),
    commands: command.commands.map((child) => placeOf(child, [...path, child.name()])),
    options: [...optionsOf(command), help],
    values,
    takesFiles: command.registeredArguments.length > 0 && values.length === 0,
  };
}

/** This place and all further on. */
export function allPlaces(place: WordPlace): WordPlace[] {
  return [place, ...place.commands.flatMap(allPlaces)];
}

/** The path as one word of a shell: /fault/sweep. */
export function slashed({ path }: WordPlace): string {
  return path.map((name) => `/${name}`).join('');
}

/** The last name of the path. */
export function nameOf({ path }: WordPlace): string {
  return path.at(-1) ?? '';
}

function optionsOf(command: Command): OptionWord[] {
  return command.options.flatMap((option) => {
    const values = option.required || option.optional ? (option.argChoices ?? []) : undefined;
    const words = [option.long, option.short].filter((word) => typeof word === 'string');
    return words.map((text) => ({ text, about: option.description, values }));
  });
}
