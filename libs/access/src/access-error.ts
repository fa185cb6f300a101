/** One thing that is wrong in a list: where (`/rules/3/host`, `line 7`) and why. */
export interface AccessFault {
  at: string;
  message: string;
}

/** Most faults that are told at once. */
export const faultsMax = 20;

/** Thrown when rules or a file of rules cannot be taken. `faults` names the first of what is wrong. */
export class AccessError extends Error {
  readonly code: 'ACCESS_RULES_INVALID' | 'ACCESS_FILE_INVALID' | 'ACCESS_LIST_TOO_LARGE';
  readonly faults: readonly AccessFault[];

  constructor(code: AccessError['code'], faults: readonly AccessFault[]) {
    super(
      faults
        .slice(0, faultsMax)
        .map((fault) => `${fault.at}: ${fault.message}`)
        .join('; '),
    );
    this.name = 'AccessError';
    this.code = code;
    this.faults = faults.slice(0, faultsMax);
  }
}
