/** The bounds of HTTP with callers and resources. */
import type { HeadLimits } from '@postern/http';

/** How long a caller has, once our side has ended and it has all of its answers, to end its own. */
export const lingerMsMax = 2_000;
/** How long one may go on with a request that is answered already: many programs read the answer only then. */
export const restMsMax = 30_000;

/** What a caller and a resource may take in bytes, numbers and time. */
export interface HttpBounds {
  head: HeadLimits;
  /** From a connection's or a request's first byte to the end of its head. */
  headTimeoutMs: number;
  /** Between two pieces of a request's body, and between two that a caller takes of an answer. */
  bodyTimeoutMs: number;
  /** From the end of a request to the head of its answer. */
  answerTimeoutMs: number;
  /** Between two requests of a caller's connection. */
  keepAliveMs: number;
  /** Requests at once on one HTTP/2 connection. */
  requestsPerConnectionMax: number;
  /** How long a connection to a resource is kept for the next request. */
  resourceKeepAliveMs: number;
  /** How many of one destination are kept. */
  resourceKeptMax: number;
}

/** The settings that bound HTTP, as programs have them (libs/config, `httpSettings`). */
export interface HttpSettings {
  httpHeadBytesMax: number;
  httpFieldsMax: number;
  httpHeadTimeoutMs: number;
  httpBodyTimeoutMs: number;
  httpAnswerTimeoutMs: number;
  httpKeepAliveMs: number;
  httpRequestsPerConnectionMax: number;
  httpResourceKeepAliveMs: number;
  httpResourceKeptMax: number;
}

/** The bounds out of the settings. */
export function httpBounds(options: HttpSettings): HttpBounds {
  return {
    head: { headBytesMax: options.httpHeadBytesMax, fieldsMax: options.httpFieldsMax },
    headTimeoutMs: options.httpHeadTimeoutMs,
    bodyTimeoutMs: options.httpBodyTimeoutMs,
    answerTimeoutMs: options.httpAnswerTimeoutMs,
    keepAliveMs: options.httpKeepAliveMs,
    requestsPerConnectionMax: options.httpRequestsPerConnectionMax,
    resourceKeepAliveMs: options.httpResourceKeepAliveMs,
    resourceKeptMax: options.httpResourceKeptMax,
  };
}
