/**
 * The key that secrets on their way to certstore are sealed to. Made once, like the CAs, and shared by all replicas, so
 * that whichever of them is asked can open what was sent.
 */
import { type KeyObject, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { SealingKey } from '@postern/contracts';
import { openSealed } from '@postern/tls';
import { isDuplicate } from '../authority/authority.ts';
import { type Documents, secretCollection } from '../document.ts';
import { openSecret, sealSecret } from '../secret/envelope.ts';
import { certstoreError } from '../errors.ts';
import type { KeyWrapper } from '../secret/key-wrapper.ts';

const id = 'intake';
const version = 1;
const place = { collection: secretCollection, id, version };

/** The loaded key. */
export class IntakeKey {
  readonly #key: KeyObject;
  readonly publicKey: SealingKey;

  private constructor(key: KeyObject) {
    this.#key = key;
    const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
    this.publicKey = { kty: 'OKP', crv: 'X25519', x };
  }

  /** Loads it, and makes it when there is none. */
  static async open({ secrets }: Documents, wrapper: KeyWrapper): Promise<IntakeKey> {
    const document = (await secrets.get(id)) ?? (await makeOnce(secrets, wrapper));
    const der = await openSecret(wrapper, place, document.sealed);
    try {
      return new IntakeKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
    } finally {
      der.fill(0);
    }
  }

  /** What was sealed to it, as JSON. Throws `CERTSTORE_INTAKE_INVALID`. */
  async open(sealed: string): Promise<unknown> {
    try {
      return JSON.parse(await openSealed(this.#key, sealed));
    } catch (cause) {
      throw certstoreError('CERTSTORE_INTAKE_INVALID', 'what was sent was not sealed for this certstore', {
        cause,
      });
    }
  }
}

async function makeOnce(secrets: Documents['secrets'], wrapper: KeyWrapper): Promise<{ sealed: string }> {
  const der = generateKeyPairSync('x25519').privateKey.export({ format: 'der', type: 'pkcs8' });
  const sealed = await sealSecret(wrapper, place, der);
  der.fill(0);
  try {
    return await secrets.insert({ id, revision: 1, version, sealed });
  } catch (error) {
    const other = isDuplicate(error) ? await secrets.get(id) : null;
    if (other === null) throw error;
    return other;
  }
}
