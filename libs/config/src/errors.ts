import { ExitCode } from './exit-code.ts';

/** One thing that is wrong, with where it was found and what would be right. */
export interface ConfigProblem {
  /** A code of docs/ERRORS.md. */
  code: ConfigCode;
  /** One sentence that names the flag, variable or file. */
  message: string;
}

/** The codes of this lib; docs/ERRORS.md has a row for each. */
export type ConfigCode =
  | 'CONFIG_USAGE'
  | 'CONFIG_INVALID'
  | 'CONFIG_REQUIRED'
  | 'CONFIG_UNKNOWN_KEY'
  | 'CONFIG_UNKNOWN_VARIABLE'
  | 'CONFIG_CONFLICT'
  | 'CONFIG_FILE';

/** Everything that was wrong with one start of a program; each problem is told, not only the first. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];
  /** How `program.parse` ends the process. */
  readonly exitCode: ExitCode;

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map((problem) => problem.message).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
    this.exitCode = problems.some((problem) => problem.code === 'CONFIG_USAGE')
      ? ExitCode.usage
      : ExitCode.configuration;
  }

  get code(): ConfigCode | undefined {
    return this.problems[0]?.code;
  }
}
