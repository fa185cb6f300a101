import assert from 'node:assert/strict';
import { sign, type KeyObject, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { type ClientHello, type Policy, helloProofText } from '@postern/contracts';
import { type CryptoKey, SignJWT, decodeJwt, generateKeyPair } from 'jose';
import { policyOf } from '../fixture/documents.ts';
import { TicketVerifier } from './ticket-verifier.ts';

const nonce = 'n'.repeat(32);
const acl = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
const client = generateKeyPairSync('ed25519');
const jwk = client.publicKey.export({ format: 'jwk' });

interface Change {
  claims?: Record<string, unknown>;
  issuer?: string;
  audience?: string;
  kid?: string;
  signer?: CryptoKey;
  expiresIn?: number;
  nonce?: string;
  node?: string;
  prover?: KeyObject;
}

async function helloOf(change: Change = {}): Promise<ClientHello> {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iat: now - 600,
    gw: 'g1',
    tok: 't1',
    use: 'session',
    cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: jwk.x } },
    ...change.claims,
  };
  const ticket = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'EdDSA', kid: change.kid ?? 'k1' })
    .setIssuer(change.issuer ?? 'postern-acl')
    .setAudience(change.audience ?? 'postern-tunnel')
    .setSubject('g1_c1')
    .setIssuedAt(claims.iat)
    .setExpirationTime(now + (change.expiresIn ?? 60))
    .sign(change.signer ?? acl.privateKey);
  const text = helloProofText(change.node ?? 'edge-1', change.nonce ?? nonce, ticket);
  const proof = sign(null, Buffer.from(text), change.prover ?? client.privateKey).toString('base64url');
  const facts = { name: 'c', version: '1', platform: 'test' };
  return { protocol: [1], ticket, proof, bootId: 'boot-one', facts, ownRules: null };
}

function verifierOf(policy: Policy | undefined = policyOf(), aclInReach = true): TicketVerifier {
  return new TicketVerifier({
    node: 'edge-1',
    keys: { find: async (kid) => (kid === 'k1' ? acl.publicKey : undefined) },
    policy: async () => policy,
    epoch: () => 'e1',
    aclInReach: () => aclInReach,
  });
}

async function codeOf(hello: unknown, verifier = verifierOf()): Promise<string> {
  try {
    await verifier.verify(hello, nonce);
    return 'ok';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test('a living ticket with its proof names gateway, client and token', async () => {
  const verified = await verifierOf().verify(await helloOf(), nonce);
  assert.equal(verified.gatewayId, 'g1');
  assert.equal(verified.clientId, 'g1_c1');
  assert.equal(verified.tokenId, 't1');
});

test('each fault of a ticket has a code of its own', async () => {
  const other = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
  assert.equal(await codeOf({ protocol: [1] }), 'EDGE_HELLO_INVALID');
  assert.equal(await codeOf({ ...(await helloOf()), ticket: 'garbage' }), 'EDGE_TICKET_INVALID');
  assert.equal(await codeOf(await helloOf({ signer: other.privateKey })), 'EDGE_TICKET_INVALID');
  assert.equal(await codeOf(await helloOf({ claims: { use: 'other' } })), 'EDGE_TICKET_INVALID');
  assert.equal(await codeOf(await helloOf({ kid: 'k2' })), 'EDGE_TICKET_KEY_UNKNOWN');
  assert.equal(await codeOf(await helloOf({ expiresIn: -60 })), 'EDGE_TICKET_EXPIRED');
});

test('what acl has signed for another purpose, or without an end, is no ticket', async () => {
  assert.equal(await codeOf(await helloOf({ issuer: 'postern-admin' })), 'EDGE_TICKET_INVALID');
  assert.equal(await codeOf(await helloOf({ audience: 'postern-admin' })), 'EDGE_TICKET_INVALID');
  const hello = await helloOf();
  const claims = decodeJwt(hello.ticket);
  for (const lacking of ['exp', 'iat', 'sub', 'gw', 'tok', 'use', 'cnf']) {
    const ticket = await new SignJWT({ ...claims, [lacking]: undefined })
      .setProtectedHeader({ alg: 'EdDSA', kid: 'k1' })
      .sign(acl.privateKey);
    const proof = sign(null, Buffer.from(helloProofText('edge-1', nonce, ticket)), client.privateKey);
    const shown = { ...hello, ticket, proof: proof.toString('base64url') };
    assert.equal(await codeOf(shown), 'EDGE_TICKET_INVALID', lacking);
  }
});

test('a ticket that says it is signed by nobody, or with a key that it does not name, is none', async () => {
  const hello = await helloOf();
  const [, payload = '', signature = ''] = hello.ticket.split('.');
  const headed = (header: object, end: string): string =>
    `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.${end}`;
  for (const [ticket, code] of [
    [headed({ alg: 'none', kid: 'k1' }, ''), 'EDGE_TICKET_INVALID'],
    [headed({ alg: 'HS256', kid: 'k1' }, signature), 'EDGE_TICKET_INVALID'],
    [headed({ alg: 'EdDSA' }, signature), 'EDGE_TICKET_KEY_UNKNOWN'],
  ] as const)
    assert.equal(await codeOf({ ...hello, ticket }), code, ticket);
});

test('clocks may differ a little', async () => {
  assert.equal(await codeOf(await helloOf({ expiresIn: -2 })), 'ok');
  const now = Math.floor(Date.now() / 1000);
  assert.equal(await codeOf(await helloOf({ claims: { iat: now + 3 } })), 'ok');
});

test('a clock that is wrong is named: the text says by how much', async () => {
  const now = Math.floor(Date.now() / 1000);
  const early = verifierOf().verify(await helloOf({ claims: { iat: now + 600 }, expiresIn: 900 }), nonce);
  await assert.rejects(early, { code: 'EDGE_TICKET_TOO_EARLY', message: /(599|600|601) s from now/ });
  const late = verifierOf().verify(await helloOf({ expiresIn: -300 }), nonce);
  await assert.rejects(late, {
    code: 'EDGE_TICKET_EXPIRED',
    message: /(300|301) s ago by this node’s clock/,
  });
});

test('a proof counts for one key, one node and one nonce', async () => {
  const other = generateKeyPairSync('ed25519');
  assert.equal(await codeOf(await helloOf({ prover: other.privateKey })), 'EDGE_PROOF_WRONG');
  assert.equal(await codeOf(await helloOf({ node: 'edge-2' })), 'EDGE_PROOF_WRONG');
  assert.equal(await codeOf(await helloOf({ nonce: 'm'.repeat(32) })), 'EDGE_PROOF_WRONG');
  for (const proof of ['', 'AAAA'])
    assert.equal(await codeOf({ ...(await helloOf()), proof }), 'EDGE_PROOF_WRONG');
  for (const [x, code] of [
    ['A'.repeat(42), 'EDGE_TICKET_INVALID'],
    ['_'.repeat(43), 'EDGE_PROOF_WRONG'],
    ['A'.repeat(42) + 'B', 'EDGE_PROOF_WRONG'],
  ] as const) {
    const claims = { cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x } } };
    assert.equal(await codeOf(await helloOf({ claims })), code, x);
  }
});

test('a reserve ticket is taken only while acl is out of reach', async () => {
  const hello = await helloOf({ claims: { use: 'reserve' } });
  assert.equal(await codeOf(hello), 'EDGE_TICKET_RESERVE_REFUSED');
  assert.equal(await codeOf(hello, verifierOf(policyOf(), false)), 'ok');
});

test('gateway and token must still be valid', async () => {
  const hello = await helloOf();
  const revokedTokens = [{ tokenId: 't1', revokedAt: '2026-01-01T00:00:00Z' }];
  const gone = new TicketVerifier({
    node: 'edge-1',
    keys: { find: async () => acl.publicKey },
    policy: async () => undefined,
    epoch: () => 'e1',
    aclInReach: () => true,
  });
  assert.equal(await codeOf(hello, gone), 'EDGE_GATEWAY_UNKNOWN');
  assert.equal(await codeOf(hello, verifierOf(policyOf({ enabled: false }))), 'EDGE_GATEWAY_DISABLED');
  assert.equal(await codeOf(hello, verifierOf(policyOf({ revokedTokens }))), 'EDGE_TOKEN_REVOKED');
  const withoutToken = await helloOf({ claims: { tok: null } });
  assert.equal(await codeOf(withoutToken), 'EDGE_TOKEN_REQUIRED');
  assert.equal(await codeOf(withoutToken, verifierOf(policyOf({ requireToken: false }))), 'ok');
});
