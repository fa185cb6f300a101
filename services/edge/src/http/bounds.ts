/** The bounds of HTTP fronts, out of the settings. */
import type { HttpBounds } from '@postern/exchange';
import type { EdgeOptions } from '../config.ts';

/** The bounds out of the settings. */
export function httpBounds(options: EdgeOptions): HttpBounds {
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
