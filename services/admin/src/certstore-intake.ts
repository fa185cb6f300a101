/**
 * Secrets on their way between admin and certstore: sealed to certstore's intake key on the way there, and to a key made
 * for that one call on the way back, so that the bus never carries one.
 */
import { generateKeyPairSync } from 'node:crypto';
import type { Bus } from '@postern/bus';
import { ServiceError, type SealingKey, ask, getIntakeKey } from '@postern/contracts';
import { openSealed, sealText } from '@postern/tls';

/** Seals a body and has `send` ask with it; once more with another key when certstore has another by now. */
export async function withSealed<T>(
  bus: Bus,
  body: object,
  send: (sealed: string) => Promise<T>,
): Promise<T> {
  const seal = async (): Promise<string> =>
    sealText((await ask(bus, getIntakeKey, {})).key, JSON.stringify(body));
  try {
    return await send(await seal());
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== 'CERTSTORE_INTAKE_INVALID') throw error;
    return send(await seal());
  }
}

/** A key for one answer. */
export function answerKey(): { recipient: SealingKey; open: (sealed: string) => Promise<unknown> } {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const { x = '' } = publicKey.export({ format: 'jwk' });
  return {
    recipient: { kty: 'OKP', crv: 'X25519', x },
    open: async (sealed) => JSON.parse(await openSealed(privateKey, sealed)) as unknown,
  };
}
