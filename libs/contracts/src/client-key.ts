/** The public keys of a client: the one that it is known by, and the one that secrets for it are sealed to. */
import { Type, type Static } from 'typebox';

/** A client's public Ed25519 key as a JSON Web Key (RFC 8037). The client's ID is made from its thumbprint. */
export const ClientPublicKey = Type.Object({
  kty: Type.Literal('OKP'),
  crv: Type.Literal('Ed25519'),
  x: Type.String({ minLength: 43, maxLength: 43, pattern: '^[A-Za-z0-9_-]+$' }),
});
export type ClientPublicKey = Static<typeof ClientPublicKey>;

/** A public key that secrets can be sealed to (X25519), made by a client at its start and signed by its Ed25519 key. */
export const SealingKey = Type.Object({
  kty: Type.Literal('OKP'),
  crv: Type.Literal('X25519'),
  x: Type.String({ minLength: 43, maxLength: 43, pattern: '^[A-Za-z0-9_-]+$' }),
});
export type SealingKey = Static<typeof SealingKey>;

/** A signature by an Ed25519 or P-256 key, base64url. */
export const keySignature = Type.String({ minLength: 64, maxLength: 128, pattern: '^[A-Za-z0-9_-]+$' });

const thumbprintCharacters = 20;

/** A client's ID: its gateway's, and the start of its key's thumbprint (RFC 7638), so that nobody can take another's. */
export function clientIdOf(gatewayId: string, thumbprint: string): string {
  return `${gatewayId}_${thumbprint.slice(0, thumbprintCharacters)}`;
}
