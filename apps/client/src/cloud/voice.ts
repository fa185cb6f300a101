/** In whose words callers of HTTP listeners are told: the codes and statuses of the client. */
import type { Cause, Trouble, Voice } from '@postern/exchange';
import { statusOfFault } from '@postern/http';
import type { CloudCause, CloudCode } from './cause.ts';

const statuses: Partial<Readonly<Record<CloudCode, number>>> = {
  CLIENT_DENIED: 403,
  CLIENT_EDGE_DENIED: 403,
  CLIENT_HTTP_HEAD_SLOW: 408,
  CLIENT_HTTP_BODY_SLOW: 408,
  CLIENT_HTTP_MISDIRECTED: 421,
  CLIENT_DESTINATION_GONE: 503,
  CLIENT_NO_TUNNEL: 503,
  CLIENT_NODE_OUTDATED: 503,
  CLIENT_TUNNELS_FULL: 503,
  CLIENT_EDGE_REFUSED: 503,
  CLIENT_STOPPING: 503,
  CLIENT_EDGE_SILENT: 504,
  CLIENT_RESOURCE_TIMED_OUT: 504,
  CLIENT_HTTP_ANSWER_LATE: 504,
  CLIENT_IDLE: 504,
};

const troubles: Readonly<Record<Trouble, { code: CloudCode; end: Cause['end'] }>> = {
  'head slow': { code: 'CLIENT_HTTP_HEAD_SLOW', end: 'client' },
  'body slow': { code: 'CLIENT_HTTP_BODY_SLOW', end: 'client' },
  misdirected: { code: 'CLIENT_HTTP_MISDIRECTED', end: 'client' },
  'answer malformed': { code: 'CLIENT_HTTP_ANSWER_MALFORMED', end: 'resource' },
  'answer cut': { code: 'CLIENT_HTTP_ANSWER_CUT', end: 'resource' },
  'answer late': { code: 'CLIENT_HTTP_ANSWER_LATE', end: 'resource' },
  'answer not taken': { code: 'CLIENT_HTTP_ANSWER_NOT_TAKEN', end: 'client' },
  idle: { code: 'CLIENT_IDLE', end: 'client' },
};

/** The client's. */
export const clientVoice: Voice = {
  end: 'client',
  causeOf: (trouble, text) => ({ ...troubles[trouble], text }),
  statusOf: (code) => (statuses as Readonly<Record<string, number>>)[code] ?? statusOfFault(code) ?? 502,
};

/** A cause of the client's as HTTP tells it. */
export function httpCauseOf({ code, text }: CloudCause): Cause {
  return { code, text, end: 'client' };
}

/** A cause that came back from HTTP: every code in it is of `clientVoice`, of an errand of the client, or of libs/http. */
export function cloudCauseOf({ code, text }: Cause): CloudCause {
  return { code: code as CloudCode, text };
}
