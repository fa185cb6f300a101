/** What is wrong with a message. From a caller it is answered with `status`; from a resource it becomes a 502. */

/** Codes of `HttpFault`. */
export type HttpFaultCode =
  | 'HTTP_MALFORMED'
  | 'HTTP_HEAD_TOO_LONG'
  | 'HTTP_TARGET_TOO_LONG'
  | 'HTTP_VERSION'
  | 'HTTP_METHOD'
  | 'HTTP_CODING'
  | 'HTTP_EXPECTATION';

const statuses: Readonly<Record<HttpFaultCode, number>> = {
  HTTP_MALFORMED: 400,
  HTTP_HEAD_TOO_LONG: 431,
  HTTP_TARGET_TOO_LONG: 414,
  HTTP_VERSION: 505,
  HTTP_METHOD: 501,
  HTTP_CODING: 501,
  HTTP_EXPECTATION: 417,
};

/** The status that answers a fault of this code; null for a code that is none. */
export function statusOfFault(code: string): number | null {
  return (statuses as Readonly<Record<string, number>>)[code] ?? null;
}

/** A message that is not taken. The text names the rule and never repeats what the message said. */
export class HttpFault extends Error {
  readonly code: HttpFaultCode;
  readonly status: number;

  constructor(code: HttpFaultCode, message: string) {
    super(message);
    this.name = 'HttpFault';
    this.code = code;
    this.status = statuses[code];
  }
}

/** The fault of most messages. */
export function malformed(message: string): HttpFault {
  return new HttpFault('HTTP_MALFORMED', message);
}
