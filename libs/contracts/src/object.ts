/** What every object of the admin API has, how lists are asked for page by page, and how secrets are hashed. */
import { createHash } from 'node:crypto';
import { Type, type Static, type TSchema } from 'typebox';

/** `id`, `revision`, `createdAt`, `modifiedAt`: the properties of every object. */
export const objectProperties = {
  id: Type.String({ minLength: 1, maxLength: 64, description: 'opaque' }),
  revision: Type.Integer({ minimum: 0, description: 'grows by one with each change; the ETag' }),
  createdAt: Type.String({ format: 'date-time' }),
  modifiedAt: Type.String({ format: 'date-time' }),
};

/** A line of text that a person gives: a control character in it would forge lines of logs and terminals. */
export const linePattern = '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$';
/** What is wrong with a text that is none. */
export const lineFault = 'must be one line without control characters';

/** Whom a certificate names, by the kind of the name; `*` stands for any part of it. */
export const certificateNamePattern = '^(CN|O|OU|DNS|URI|EMAIL|IP):[^*]*(\\*[^*]*){0,4}$';
/** A revocation list, with nothing before it. */
export const revocationListPattern = '^-----BEGIN X509 CRL-----';

const patternFaults: ReadonlyMap<string, string> = new Map([
  [linePattern, lineFault],
  [
    certificateNamePattern,
    'must be the kind of a name and the name, such as CN:app-*, DNS:*.corp.example or URI:spiffe://corp/*, with four * at most; kinds are CN, O, OU, DNS, URI, EMAIL, IP',
  ],
  [
    revocationListPattern,
    'must be a revocation list in PEM, which begins with -----BEGIN X509 CRL----- and has nothing before that (one in DER: openssl crl -inform DER)',
  ],
]);

/** What is wrong with a text that does not match this pattern of ours, in words; null where the pattern says it itself. */
export function patternFault(pattern: unknown): string | null {
  return patternFaults.get(String(pattern)) ?? null;
}

/** The schema of one line of text where it is taken; what is shown may be from before there was this rule. */
export function lineOf(bounds: { minLength?: number; maxLength: number; default?: string }) {
  return Type.String({ ...bounds, pattern: linePattern });
}

/** Most items of one page; it has fewer where these would not fit a message of the bus. */
export const pageItemsMax = 200;

/** What asks for one page: `limit` and the cursor that the page before gave. */
export const pageRequestProperties = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: pageItemsMax })),
  cursor: Type.Optional(Type.Union([Type.String({ maxLength: 256 }), Type.Null()])),
};

/** The answer to a list question: `{items, nextCursor}`; `nextCursor` is null at the end. */
export function pageOf<Item extends TSchema>(item: Item) {
  return Type.Object({ items: Type.Array(item), nextCursor: Type.Union([Type.String(), Type.Null()]) });
}

/** A JSON Merge Patch (RFC 7396); the owner applies it and checks the result as a whole. */
export const MergePatch = Type.Record(Type.String(), Type.Unknown());
export type MergePatch = Static<typeof MergePatch>;

/** The revision that a change expects; a stale one is refused with 412. */
export const expectedRevision = Type.Optional(Type.Integer({ minimum: 0, description: 'from If-Match' }));

/** Whose API key asked for a change; with the name that it had, since it may be deleted later. */
export const Actor = Type.Object({ id: Type.String(), name: Type.String() });
export type Actor = Static<typeof Actor>;

/** Who made an object; null where that is not known, as of one from before this was kept. */
export const createdByProperty = {
  createdBy: Type.Union([Actor, Type.Null()], {
    description: 'the API key that made it, with the name that it had; null where that is not known',
  }),
};

/** When a token or a key was last used. */
export const lastUsedProperty = {
  lastUsedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
    description:
      'when it was last used, to within ten minutes; null where it was not, or not since a restore or since this is kept',
  }),
};

/** Who asks for a change; left out by an admin of the version before. */
export const byProperty = { by: Type.Optional(Actor) };

/** The answer to a question that only has to be done. */
export const Done = Type.Object({});

/** An answer that says no more than that it is done. */
export async function done(work: Promise<unknown>): Promise<Static<typeof Done>> {
  await work;
  return {};
}

/** How a security token or an API key crosses the bus and is stored: SHA-256 of the text, base64url. */
export function secretHash(secret: string): string {
  return createHash('sha256').update(secret, 'utf8').digest('base64url');
}

/** The form of `secretHash`'s answers. */
export const SecretHash = Type.String({ minLength: 43, maxLength: 43, pattern: '^[A-Za-z0-9_-]+$' });
