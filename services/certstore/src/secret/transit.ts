/**
 * A key-encryption key that never leaves a Vault-style transit server (HashiCorp Vault, OpenBao): data keys are sent
 * there to be wrapped and unwrapped. Their place goes along as associated data, so the server too opens them for no
 * other document. The server's own rotation makes versions of the key; each counts as a key of its own here
 * (`transit/postern:v2`), so that secrets under an older one are found and sealed anew.
 */
import { ServiceError } from '@postern/contracts';
import { sendRequest } from '@postern/request';
import { type Static, type TSchema, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { dataKeyBytes } from './envelope.ts';
import { certstoreError } from '../errors.ts';
import type { KeyWrapper } from './key-wrapper.ts';

const answerLengthMax = 64 * 1024;
const deadlineMs = 5_000;

/** Where the server is and what this process may do there. */
export interface TransitOptions {
  readonly url: string;
  /** The path that the engine is mounted at. */
  readonly mount: string;
  /** The name of the key; its type must take associated data: aes256-gcm96. */
  readonly key: string;
  readonly token: () => string;
  /** The CA to believe in place of the usual ones. */
  readonly caPem: string | null;
}

/** The key in its present version. Rejects with `CERTSTORE_TRANSIT_…` when the server cannot be asked or refuses. */
export async function transitKeyWrapper(options: TransitOptions): Promise<KeyWrapper> {
  const name = `${options.mount}/${options.key}`;
  const encrypt = async (plaintext: Buffer, context: Buffer): Promise<{ keyId: string; wrapped: Buffer }> => {
    const body = { plaintext: plaintext.toString('base64'), associated_data: context.toString('base64') };
    const { ciphertext } = await call(options, 'encrypt', body);
    const version = /^vault:v(\d+):/.exec(ciphertext ?? '')?.[1];
    if (ciphertext === undefined || version === undefined) throw unexpected('encrypt');
    return { keyId: `${name}:v${version}`, wrapped: Buffer.from(ciphertext, 'utf8') };
  };
  const { keyId } = await encrypt(Buffer.from('postern'), Buffer.from('probe'));
  return {
    keyId,
    wrap: encrypt,
    unwrap: async (_keyId, wrapped, context) => {
      const body = { ciphertext: wrapped.toString('utf8'), associated_data: context.toString('base64') };
      const { plaintext } = await call(options, 'decrypt', body);
      const dataKey = Buffer.from(plaintext ?? '', 'base64');
      if (dataKey.length !== dataKeyBytes) throw unexpected('decrypt');
      return dataKey;
    },
    isFor: (id) => id.startsWith(`${name}:v`),
  };
}

const orNull = <Schema extends TSchema>(schema: Schema) => Type.Optional(Type.Union([schema, Type.Null()]));
const Answer = Type.Object({
  data: orNull(
    Type.Object({ ciphertext: Type.Optional(Type.String()), plaintext: Type.Optional(Type.String()) }),
  ),
  errors: orNull(Type.Array(Type.String())),
});
type Answer = Static<typeof Answer>;
const answerCheck = Compile(Answer);

async function call(
  options: TransitOptions,
  action: 'encrypt' | 'decrypt',
  body: object,
): Promise<NonNullable<Answer['data']>> {
  const url = new URL(`/v1/${options.mount}/${action}/${encodeURIComponent(options.key)}`, options.url);
  const { status, text } = await sendRequest(url, {
    method: 'POST',
    signal: AbortSignal.timeout(deadlineMs),
    headers: { 'x-vault-token': options.token(), 'content-type': 'application/json' },
    ca: options.caPem ?? undefined,
    body: JSON.stringify(body),
    answerLengthMax,
    mayBePlain: true,
  }).catch((error: Error) => {
    throw unreachable(options, error.message, error);
  });
  const { data, errors } = parse(text);
  if (status === 200) {
    if (data !== undefined && data !== null) return data;
    throw unexpected(action);
  }
  const why = (errors ?? []).join('; ').slice(0, 200) || `status ${status}`;
  // Sealed after a start of its own, no leader, too many calls: it answers later.
  if (status >= 500 || status === 429) throw unreachable(options, why, null);
  // What cannot be decrypted is damaged; everything else may pass.
  if (status === 400 && action === 'decrypt') {
    throw certstoreError(
      'CERTSTORE_SECRET_DAMAGED',
      `the transit server cannot open a stored secret: ${why}; it was changed, or its key ${options.mount}/${options.key} is another than it was sealed with`,
    );
  }
  throw certstoreError('CERTSTORE_TRANSIT_REFUSED', `the transit server refuses to ${action}: ${why}`);
}

function unreachable({ url }: TransitOptions, why: string, cause: unknown): ServiceError {
  const message = `the transit server ${url} does not answer: ${why}`;
  return new ServiceError({ code: 'CERTSTORE_TRANSIT_UNREACHABLE', message, status: 503 }, { cause });
}

/** Empty where it is none of the server's: a proxy before it answers in its own words. */
function parse(text: string): Answer {
  try {
    const value: unknown = JSON.parse(text);
    return answerCheck.Check(value) ? value : {};
  } catch {
    return {};
  }
}

function unexpected(action: string): ServiceError {
  return certstoreError(
    'CERTSTORE_TRANSIT_REFUSED',
    `the transit server's answer to ${action} is not of its kind`,
  );
}
