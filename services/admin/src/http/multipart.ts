/**
 * Bodies of `multipart/form-data`, for the calls that take files: fields become members of the body, files become
 * base64 in `files`. So a call is checked, kept for repetition and handled in one form, however it came.
 */
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { adminError } from '../errors.ts';

const limits = {
  fileSize: 256 * 1024,
  files: 16,
  fields: 16,
  fieldSize: 256 * 1024,
  fieldNameSize: 64,
  parts: 32,
};
/** What the library says when one of the limits is hit. */
const limitCodes = new Set([
  'FST_REQ_FILE_TOO_LARGE',
  'FST_FILES_LIMIT',
  'FST_FIELDS_LIMIT',
  'FST_PARTS_LIMIT',
]);

/** Lets the server read such bodies. They come to a call only by `readMultipart`. */
export async function parseMultipart(app: FastifyInstance): Promise<void> {
  await app.register(multipart, { limits, throwFileSizeLimit: true });
}

/** The body as JSON would have it; undefined when it is no multipart. */
export async function readMultipart(request: FastifyRequest): Promise<Record<string, unknown> | undefined> {
  if (!request.isMultipart()) return undefined;
  const body: Record<string, unknown> = {};
  const files: string[] = [];
  try {
    for await (const part of request.parts()) {
      if (part.type === 'file') files.push((await part.toBuffer()).toString('base64'));
      else if (part.valueTruncated || part.fieldnameTruncated) throw tooLarge();
      else if (Object.hasOwn(body, part.fieldname)) {
        throw adminError('ADMIN_BODY_INVALID', `the field ${JSON.stringify(part.fieldname)} is there twice`);
      } else Object.defineProperty(body, part.fieldname, { value: part.value, enumerable: true });
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (limitCodes.has(code)) throw tooLarge(error);
    if (code.startsWith('ADMIN_')) throw error;
    throw adminError('ADMIN_REQUEST_MALFORMED', 'the multipart body cannot be read', { cause: error });
  }
  return files.length === 0 ? body : { ...body, files };
}

function tooLarge(cause?: unknown): Error {
  return adminError(
    'ADMIN_BODY_TOO_LARGE',
    `a form has at most ${limits.files} files and ${limits.fields} fields, of ${limits.fileSize} bytes together`,
    { cause },
  );
}
