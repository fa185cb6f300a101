/** docs/CLI.md: what `--help` says, of every program and of every subcommand. */
import type { Command } from 'commander';
import type { ProgramList } from './program-list.ts';

const helpWidth = 100;

/** The generated part of the page. */
export function helpPage({ programs, commands }: ProgramList): string {
  const sections = [
    ...commands.flatMap((command) => commandSections(command, [])),
    // A program with subcommands is a command already.
    ...programs
      .filter(({ name }) => !commands.some((command) => command.name() === name))
      .map((program) => section(program.name, 2, program.help)),
  ];
  return sections.join('\n\n');
}

function commandSections(command: Command, parents: readonly string[]): string[] {
  const path = [...parents, command.name()];
  const visible = command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== 'help');
  return [
    section(path.join(' '), Math.min(2 + parents.length, 4), plainHelp(command)),
    ...visible.flatMap((one) => commandSections(one, path)),
  ];
}

/** As it is printed, with the text that stands behind the options. */
function plainHelp(command: Command): string {
  const [help, output] = [command.configureHelp(), command.configureOutput()];
  let text = '';
  command.configureHelp({ ...help, helpWidth });
  command.configureOutput({ ...output, writeOut: (piece) => (text += piece), getOutHasColors: () => false });
  command.outputHelp();
  command.configureHelp(help).configureOutput(output);
  return text;
}

function section(name: string, level: number, help: string): string {
  return `${'#'.repeat(level)} ${name}\n\n\`\`\`text\n${help.trimEnd()}\n\`\`\``;
}
