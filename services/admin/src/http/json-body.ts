/** Bodies as JSON: how long they may be, and in which media types and bytes they come. */
import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ServiceError } from '@postern/contracts';
import { adminError } from '../errors.ts';

/** The longest body; what it becomes must fit a message of the bus. */
export const bodyBytesMax = 512 * 1024;

/**
 * JSON only, in UTF-8 only, since what is no text would be stored as another one; `__proto__` in it is refused. A DELETE
 * or POST may say that its missing body is JSON, as scripts do that send the same head with every request.
 */
export function parseJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser('error', 'error');
  const types = ['application/json', 'application/merge-patch+json'];
  app.addContentTypeParser(types, { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (['DELETE', 'POST'].includes(request.method) && body.length === 0) done(null, undefined);
    else if (isMergePatch(request) && request.method !== 'PATCH') {
      done(adminError('ADMIN_MEDIA_TYPE', 'a merge patch is for PATCH only; send application/json'));
    } else if (isUtf8(body)) void parse(request, body.toString(), done);
    else done(notJson('is not in UTF-8'));
  });
}

/** The whole body is what is wrong: the empty JSON pointer. */
export function notJson(message: string, cause?: unknown): ServiceError {
  return adminError('ADMIN_BODY_NOT_JSON', `the body ${message}`, { cause, errors: [{ path: '', message }] });
}

function isMergePatch(request: FastifyRequest): boolean {
  return request.headers['content-type']?.startsWith('application/merge-patch+json') ?? false;
}
