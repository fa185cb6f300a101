/** docs/CONFIG.md: one table per program, from the same schemas that read its settings. */
import { type Setting, describeType } from '@postern/config';
import type { SettingsProgram } from './program-list.ts';

/** The generated part of the page. */
export function settingsPage(programs: readonly SettingsProgram[]): string {
  return programs.map(programSection).join('\n\n');
}

function programSection(program: SettingsProgram): string {
  const rows = program.settings.filter((setting) => !setting.hidden).map(settingRow);
  return [
    `## ${program.name}`,
    '',
    program.description,
    '',
    '| setting | flag | variable | takes | default | what it does |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function settingRow(setting: Setting): string {
  const cells = [
    codes([setting.name, setting.fileKey]),
    codes(setting.argument === null ? [setting.short, setting.flag, setting.fileFlag] : [setting.argument]),
    codes([setting.variable, setting.fileVariable]),
    escape(describeType(setting)),
    setting.required ? '**required**' : defaultCell(setting.default),
    escape(setting.description),
  ];
  return `| ${cells.map((cell) => (cell === '' ? '–' : cell)).join(' | ')} |`;
}

function codes(names: readonly (string | null)[]): string {
  return names.flatMap((name) => (name === null ? [] : [`\`${escape(name)}\``])).join(', ');
}

function defaultCell(value: unknown): string {
  if (value === undefined || value === null || value === '') return '';
  return `\`${escape(typeof value === 'string' ? value : JSON.stringify(value))}\``;
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
