/**
 * HTTP/1.1 messages as bytes: heads read strictly and in one way only, bodies piece by piece, and what a gateway changes
 * in both directions. Pure: no sockets, no clock.
 */
export { BodyReader, type BodySink } from './body-reader.ts';
export { type RequestDestination, readDestination } from './destination.ts';
export { HttpFault, malformed, statusOfFault, type HttpFaultCode } from './fault.ts';
export { isToken } from './field-name.ts';
export { listOf, single, type Field, type HeadLimits } from './field.ts';
export { forwardAnswer, forwardTrailers, type AnswerNames } from './forward-answer.ts';
export { formatRequestHead, trackingField, upgradeOf, type CallerFacts } from './forward-request.ts';
export { lengthOfNone, requestFraming, responseFraming, type Framing } from './framing.ts';
export { Gathered } from './gathered.ts';
export {
  checkHeadSize,
  encodeTarget,
  checkAnswerBegins,
  endsConnection,
  findHeadEnd,
  parseRequestHead,
  parseResponseHead,
  skipEmptyLines,
  type RequestHead,
  type ResponseHead,
} from './head.ts';
export { authorityOf, hostOf, readTarget } from './target.ts';
