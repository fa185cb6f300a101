/** How the command line fails: with an exit code that scripts can rely on, and words for a person. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, ExitCode } from '@postern/config';
import { plainText } from './plain-text.ts';

/** Codes of this room. */
export type CliCode =
  | 'CLI_ANSWER_INVALID'
  | 'CLI_ARGUMENT_INVALID'
  | 'CLI_BACKUP_DAMAGED'
  | 'CLI_BACKUP_NEWER'
  | 'CLI_BACKUP_UNUSABLE'
  | 'CLI_CONTEXT_INVALID'
  | 'CLI_CONTEXT_MISSING'
  | 'CLI_NODE_RESTARTED'
  | 'CLI_RESTORE_UNFINISHED'
  | 'CLI_UNREACHABLE';

/** The command line itself could not do it. */
export class CliError extends Error {
  readonly code: CliCode;

  constructor(code: CliCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CliError';
    this.code = code;
  }
}

/** The problem (RFC 9457) with which the API refused. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly title?: string;
  readonly detail?: string;
  readonly trackingId?: string;
  readonly errors?: readonly { path: string; message: string }[];
}

/** The problem in an answer; null where it is none, and something else than the API has answered. */
export function problemOf(status: number, answer: unknown): Problem | null {
  if (typeof answer !== 'object' || answer === null) return null;
  const { code, title, detail, trackingId, errors } = answer as Record<string, unknown>;
  if (typeof code !== 'string') return null;
  return {
    status,
    code,
    ...(typeof title === 'string' ? { title } : {}),
    ...(typeof detail === 'string' ? { detail } : {}),
    ...(typeof trackingId === 'string' ? { trackingId } : {}),
    errors: Array.isArray(errors) ? errors.filter(isFault) : [],
  };
}

function isFault(fault: unknown): fault is { path: string; message: string } {
  const { path, message } = (fault ?? {}) as Record<string, unknown>;
  return typeof path === 'string' && typeof message === 'string';
}

/** What passes by itself: too much at once, or nobody there now. */
export function isBusy(status: number): boolean {
  return status === 429 || (status >= 502 && status <= 504);
}

/** The API refused. */
export class ApiError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail ?? problem.title ?? `the API answered ${problem.status}`);
    this.name = 'ApiError';
    this.problem = problem;
  }
}

/** The code to end with. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof ApiError) {
    const { status, code } = error.problem;
    if (status === 401 || status === 403) return ExitCode.refused;
    // Nobody can dial the resource: it is as out of reach as one that nobody reached.
    if (isBusy(status) || code === 'ROUTER_NO_CLIENT') return ExitCode.unavailable;
    return status >= 400 && status < 500 ? ExitCode.usage : ExitCode.internal;
  }
  if (error instanceof ConfigError) return error.exitCode;
  if (!(error instanceof CliError)) return ExitCode.internal;
  switch (error.code) {
    case 'CLI_ARGUMENT_INVALID':
    case 'CLI_BACKUP_DAMAGED':
    case 'CLI_BACKUP_NEWER':
    case 'CLI_BACKUP_UNUSABLE':
      return ExitCode.usage;
    case 'CLI_CONTEXT_INVALID':
    case 'CLI_CONTEXT_MISSING':
      return ExitCode.configuration;
    case 'CLI_NODE_RESTARTED':
    case 'CLI_RESTORE_UNFINISHED':
    case 'CLI_UNREACHABLE':
      return ExitCode.unavailable;
    case 'CLI_ANSWER_INVALID':
      return ExitCode.internal;
  }
}

/** What stderr shows: the code and what is wrong, each fault that this does not say, what to do, and what to name when asking for help. */
export function describeError(error: unknown): string {
  if (error instanceof ApiError) {
    const { code, trackingId, errors = [] } = error.problem;
    return lines([
      `${code}: ${error.message}`,
      ...errors
        .map(({ path, message }) => `${path} ${message}`)
        .filter((fault) => fault !== error.message)
        .map((fault) => `  ${fault}`),
      remedyOf(code),
      trackingId === undefined ? null : `  tracking ID: ${trackingId}`,
    ]);
  }
  if (error instanceof ConfigError)
    return lines(error.problems.map(({ code, message }) => `${code}: ${message}`));
  if (error instanceof CliError) return lines([`${error.code}: ${error.message}`, remedyOf(error.code)]);
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** commander's words for what it does not take, without the values in them: a flag that is none may carry a secret. */
export function usageText(text: string): string {
  return text
    .replace(
      /^(error: unknown option ')(--[^='\s]*=?|-[^-])([^]*)'/,
      (_, words: string, flag: string, value: string) => `${words}${flag}${value === '' ? '' : '…'}'`,
    )
    .replace(/^(error: too many arguments.* but got \d+):[^]*$/, '$1\n');
}

/** The remedy in the row of docs/ERRORS.md, where that page is at hand. */
function remedyOf(code: string): string | null {
  try {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/ERRORS.md'), 'utf8');
    const row = page.split('\n').find((line) => line.startsWith(`| \`${code}\` |`));
    const remedy = row
      ?.split(/(?<!\\)\|/)[4]
      ?.trim()
      .replaceAll('`', '');
    return remedy === undefined ? null : `  what to do: ${remedy}`;
  } catch {
    return null;
  }
}

function lines(all: readonly (string | null)[]): string {
  return all
    .filter((line) => line !== null)
    .map(plainText)
    .join('\n');
}
