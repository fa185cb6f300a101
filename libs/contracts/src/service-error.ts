/** An operating error as it crosses the bus and becomes an HTTP problem: a code of docs/ERRORS.md and plain words. */
import { Type, type Static } from 'typebox';

/** What crosses the bus of it. */
export const ServiceErrorBody = Type.Object({
  code: Type.String({ description: 'a code of docs/ERRORS.md' }),
  message: Type.String({
    description: 'one sentence for the operator: the rule that was broken and what to do',
  }),
  status: Type.Integer({ description: 'the HTTP status that fits' }),
  errors: Type.Optional(
    Type.Array(Type.Object({ path: Type.String(), message: Type.String() }), {
      description: 'which parts of the body were wrong, as JSON pointers',
    }),
  ),
  deleted: Type.Optional(
    Type.Boolean({
      description: 'of what was not found: whether it was deleted here, so that it will never be again',
    }),
  ),
});
export type ServiceErrorBody = Static<typeof ServiceErrorBody>;

/** What the libraries throw when bus or store cannot be reached or used: the asker may try again. */
const outOfReach = new Set([
  'BUS_CLOSED',
  'BUS_DENIED',
  'BUS_DISCONNECTED',
  'BUS_NO_RESPONDER',
  'BUS_OVERLOADED',
  'BUS_TIMEOUT',
  'STORE_CLOCK_OFF',
  'STORE_OVERLOADED',
  'STORE_REFUSED',
  'STORE_TIMEOUT',
  'STORE_UNREACHABLE',
]);

/** Thrown by services for what can go wrong in operation; programmer errors are asserts and crash. */
export class ServiceError extends Error {
  readonly body: ServiceErrorBody;

  constructor(body: ServiceErrorBody, options?: ErrorOptions) {
    super(body.message, options);
    this.name = 'ServiceError';
    this.body = body;
  }

  get code(): string {
    return this.body.code;
  }

  /** The error itself when it is one; else `INTERNAL`, which keeps the cause and hides its text. */
  static from(error: unknown): ServiceError {
    if (error instanceof ServiceError) return error;
    if (
      error instanceof Error &&
      'code' in error &&
      typeof error.code === 'string' &&
      outOfReach.has(error.code)
    ) {
      return new ServiceError({ code: error.code, message: error.message, status: 503 }, { cause: error });
    }
    return new ServiceError(
      { code: 'INTERNAL', message: 'an internal error; its cause is in the log of the service', status: 500 },
      { cause: error },
    );
  }
}

/** What the maker of a room's errors takes beside code and message; `errors` are JSON pointers into the body with what is wrong there. */
export interface ServiceErrorOptions {
  readonly cause?: unknown;
  readonly errors?: ServiceErrorBody['errors'];
}

/** What makes a room's errors, each with the HTTP status that fits its code. Messages are for operators, without secrets. */
export function errorMaker<Code extends string>(
  status: Readonly<Record<Code, number>>,
): (code: Code, message: string, options?: ServiceErrorOptions) => ServiceError {
  return (code, message, { cause, errors } = {}) => {
    const body: ServiceErrorBody = { code, message, status: status[code] };
    if (errors !== undefined) body.errors = errors;
    return new ServiceError(body, cause === undefined ? undefined : { cause });
  };
}
