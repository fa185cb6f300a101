/** How `program.parse` ends a process that was started wrongly: 64 for a bad command line, 78 for a bad setting. */
export const ConfigExitCode = { usage: 64, configuration: 78 } as const;

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
  readonly exitCode: (typeof ConfigExitCode)[keyof typeof ConfigExitCode];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map((problem) => problem.message).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
    this.exitCode = problems.some((problem) => problem.code === 'CONFIG_USAGE')
      ? ConfigExitCode.usage
      : ConfigExitCode.configuration;
  }

  get code(): ConfigCode | undefined {
    return this.problems[0]?.code;
  }
}
