/** How the set-up fails. Every code has a row in docs/ERRORS.md. */

/** Codes of this room. */
export type SetupCode =
  | 'SETUP_FOLDER_UNUSABLE'
  | 'SETUP_KEY_REFUSED'
  | 'SETUP_SERVER_UNREACHABLE'
  | 'SETUP_SECRETS_MISSING';

/** The set-up could not be done; it can be run again. */
export class SetupError extends Error {
  readonly code: SetupCode;

  constructor(code: SetupCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SetupError';
    this.code = code;
  }
}
