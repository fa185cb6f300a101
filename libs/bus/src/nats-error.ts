/** The driver's errors as errors of the bus. */
import {
  AuthorizationError,
  ClosedConnectionError,
  DrainingConnectionError,
  InvalidArgumentError,
  NoRespondersError,
  PermissionViolationError,
  RequestError,
  TimeoutError,
  UserAuthenticationExpiredError,
} from '@nats-io/transport-node';
import { BusError } from './bus-error.ts';

/** Translates; `what` says what was being done. */
export function natsError(error: unknown, what: string): BusError {
  if (error instanceof BusError) return error;
  const causes = [error, error instanceof Error ? error.cause : undefined];
  const is = (...kinds: (new (...args: never[]) => Error)[]): boolean =>
    causes.some((cause) => kinds.some((kind) => cause instanceof kind));
  const options = { cause: error };
  if (is(NoRespondersError) || (error instanceof RequestError && error.isNoResponders())) {
    return new BusError('BUS_NO_RESPONDER', `nobody serves what was asked: ${what}`, options);
  }
  if (is(TimeoutError)) return new BusError('BUS_TIMEOUT', `no reply in time: ${what}`, options);
  if (is(PermissionViolationError, AuthorizationError, UserAuthenticationExpiredError)) {
    return new BusError('BUS_DENIED', `the server does not allow it: ${what}: ${textOf(error)}`, options);
  }
  if (is(ClosedConnectionError, DrainingConnectionError)) {
    return new BusError('BUS_CLOSED', `the bus was closed: ${what}`, options);
  }
  if (is(InvalidArgumentError) && textOf(error).includes('max_payload')) {
    return new BusError(
      'BUS_MESSAGE_TOO_LARGE',
      `the server takes no message of this size: ${what}`,
      options,
    );
  }
  return new BusError('BUS_UNREACHABLE', `the server is out of reach: ${what}: ${textOf(error)}`, options);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
