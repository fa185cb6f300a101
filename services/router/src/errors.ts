/** What the router refuses, each with its code of docs/ERRORS.md. */
import { ServiceError, type ServiceErrorBody } from '@postern/contracts';

/** One part of a body that is wrong, as a JSON pointer. */
export interface BodyFault {
  path: string;
  message: string;
}

/** Whether what is not found was deleted, where it is said. */
type DeletionWord = Pick<ServiceErrorBody, 'deleted'>;

/** There is no such gateway. */
export function gatewayNotFound(id: string, word: DeletionWord = {}): ServiceError {
  const message = `there is no gateway ${id}`;
  return new ServiceError({ code: 'ROUTER_GATEWAY_NOT_FOUND', message, status: 404, ...word });
}

/** There is no such destination behind that gateway. */
export function destinationNotFound(gatewayId: string, id: string, word: DeletionWord = {}): ServiceError {
  const message = `there is no destination ${id} behind the gateway ${gatewayId}`;
  return new ServiceError({ code: 'ROUTER_DESTINATION_NOT_FOUND', message, status: 404, ...word });
}

/** The change expected another revision. */
export function revisionStale(what: string, expected: number, actual: number): ServiceError {
  const message = `${what} has revision ${actual}, not ${expected}: someone else changed it; read it again`;
  return new ServiceError({ code: 'ROUTER_REVISION_STALE', message, status: 412 });
}

/** The body is not what such an object is made of. */
export function invalid(errors: BodyFault[]): ServiceError {
  const message = errors.map(({ path, message }) => `${path} ${message}`).join('; ');
  return new ServiceError({ code: 'ROUTER_INVALID', message, status: 400, errors });
}

/** The value is a right one, but this version does not serve it. */
export function notSupported(path: string, value: unknown): ServiceError {
  const message = `${path} ${JSON.stringify(value)} is not served by this version`;
  return new ServiceError({
    code: 'ROUTER_NOT_SUPPORTED',
    message,
    status: 422,
    errors: [{ path, message }],
  });
}

/** No such client of the gateway is connected. */
export function clientUnknown(clientId: string): ServiceError {
  const message = `no client ${clientId} is connected to this gateway`;
  return new ServiceError({ code: 'ROUTER_CLIENT_UNKNOWN', message, status: 404 });
}

/** Nobody is there who could do it. */
export function noClient(gatewayId: string, enabled = true): ServiceError {
  const message = `no client of gateway ${gatewayId} is connected${enabled ? '' : ': the gateway is disabled'}`;
  return new ServiceError({ code: 'ROUTER_NO_CLIENT', message, status: 409 });
}

/** Another destination has that front; which one, where whoever asks may know it. */
export function frontTaken(front: string, holder: { gatewayId: string; id: string } | null): ServiceError {
  const who =
    holder === null
      ? 'another destination'
      : `the destination ${holder.id} of the gateway ${holder.gatewayId}`;
  const message = `the front ${front} belongs to ${who}`;
  return new ServiceError({ code: 'ROUTER_FRONT_TAKEN', message, status: 409 });
}

/** Another cloud destination of the gateway has that port at its clients. */
export function clientPortTaken(port: string, holder: { id: string; name: string }): ServiceError {
  const message = `the clientPort ${port} belongs to the destination ${holder.name} (${holder.id}) of the same gateway`;
  return new ServiceError({ code: 'ROUTER_CLIENT_PORT_TAKEN', message, status: 409 });
}

/** Another gateway had that front not long ago; its callers may still know it. */
export function frontResting(front: string, until: string): ServiceError {
  const message = `the front ${front} was another gateway's and rests until ${until}`;
  return new ServiceError({ code: 'ROUTER_FRONT_RESTING', message, status: 409 });
}

/** That host or port is the platform's own. */
export function frontReserved(what: string): ServiceError {
  return new ServiceError({
    code: 'ROUTER_FRONT_RESERVED',
    message: `${what} belongs to the platform`,
    status: 409,
  });
}

/** Every port of the range is held or rests. */
export function portsExhausted(first: number, last: number): ServiceError {
  const message = `no port from ${first} to ${last} is free; ask for one by number or widen the range`;
  return new ServiceError({ code: 'ROUTER_PORTS_EXHAUSTED', message, status: 409 });
}

/** A bound of the platform is reached. */
export function limitReached(what: string, max: number): ServiceError {
  return new ServiceError({
    code: 'ROUTER_LIMIT',
    message: `there may be at most ${max} ${what}`,
    status: 409,
  });
}
