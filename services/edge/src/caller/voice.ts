/** In whose words callers of fronts are told: the codes of the edge, and the statuses of HTTP. */
import type { Cause, Trouble, Voice } from '@postern/exchange';
import { statusOfFault } from '@postern/http';
import type { CallerCause, CallerCode } from '../errors.ts';

const statuses: Partial<Readonly<Record<CallerCode, number>>> = {
  EDGE_SOURCE_DENIED: 403,
  EDGE_ACCESS_DENIED: 403,
  EDGE_CLIENT_DENIED: 403,
  EDGE_DESTINATION_DELETED: 404,
  EDGE_HTTP_NAME_UNKNOWN: 404,
  EDGE_HTTP_HEAD_SLOW: 408,
  EDGE_HTTP_BODY_SLOW: 408,
  EDGE_HTTP_MISDIRECTED: 421,
  EDGE_DESTINATION_DISABLED: 503,
  EDGE_GATEWAY_DISABLED: 503,
  EDGE_GATEWAY_UNKNOWN: 503,
  EDGE_NO_CLIENT: 503,
  EDGE_CLIENT_OUTDATED: 503,
  EDGE_CLIENT_LIMIT: 503,
  EDGE_CLIENT_STOPPING: 503,
  EDGE_OPENING_FULL: 503,
  EDGE_CONNECTIONS_FULL: 503,
  EDGE_DRAINING: 503,
  EDGE_TOKEN_REVOKED: 503,
  EDGE_TOKEN_REQUIRED: 503,
  EDGE_RESOURCE_TIMED_OUT: 504,
  EDGE_CLIENT_SILENT: 504,
  EDGE_HTTP_ANSWER_LATE: 504,
  EDGE_IDLE: 504,
};

const troubles: Readonly<Record<Trouble, Pick<CallerCause, 'code' | 'end'>>> = {
  'head slow': { code: 'EDGE_HTTP_HEAD_SLOW', end: 'edge' },
  'body slow': { code: 'EDGE_HTTP_BODY_SLOW', end: 'edge' },
  misdirected: { code: 'EDGE_HTTP_MISDIRECTED', end: 'edge' },
  'answer malformed': { code: 'EDGE_HTTP_ANSWER_MALFORMED', end: 'resource' },
  'answer cut': { code: 'EDGE_HTTP_ANSWER_CUT', end: 'resource' },
  'answer late': { code: 'EDGE_HTTP_ANSWER_LATE', end: 'resource' },
  'answer not taken': { code: 'EDGE_HTTP_ANSWER_NOT_TAKEN', end: 'edge' },
  idle: { code: 'EDGE_IDLE', end: 'edge' },
};

/** The status that tells a caller of this code; 502 unless it has one of its own. */
function statusOf(code: string): number {
  return (statuses as Readonly<Record<string, number>>)[code] ?? statusOfFault(code) ?? 502;
}

/** The edge's. */
export const edgeVoice: Voice = {
  end: 'edge',
  causeOf: (trouble, text) => ({ ...troubles[trouble], text }),
  statusOf,
};

/** A cause that came back from libs/exchange: every code in it is of `edgeVoice`, of an errand of the edge, or of libs/http. */
export function callerCauseOf(cause: Cause): CallerCause {
  return cause as CallerCause;
}
