/** What an error of the system says, in few words. */

/** An error's own words; those of its parts where it has several (a host with more than one address). */
export function errorText(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(errorText).join('; ');
  if (!(error instanceof Error)) return String(error);
  return error.message === '' && 'code' in error ? String(error.code) : error.message;
}

/** The system's code of an error, `ECONNREFUSED` and the like; that of its first part where it has several. */
export function systemCode(error: unknown): string | null {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof AggregateError && error.errors.length > 0 ? systemCode(error.errors[0]) : null;
}
