/** What a demo cannot get past; it ends with 1 and these words. */

/** Codes of docs/ERRORS.md. */
export type DemoCode =
  | 'DEMO_PROGRAM_ENDED'
  | 'DEMO_FRONT_SILENT'
  | 'DEMO_CHECK_FAILED'
  | 'DEMO_RESOURCE_UNREACHABLE';

/** Told to the user as it is. */
export class DemoError extends Error {
  readonly code: DemoCode;

  constructor(code: DemoCode, message: string) {
    super(message);
    this.name = 'DemoError';
    this.code = code;
  }
}
