import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccessRule } from '@postern/access';
import type { NodeSnapshot, TunnelPresence } from '@postern/contracts';
import { type Session, payloadBytesMax } from '@postern/tunnel';
import { LinkPresence } from './link-presence.ts';

const accessListBytesMax = 56 * 1024;
const origin = { node: 'edge-2', bootId: 'boot-two', startedAt: '2026-01-01T00:00:00.000Z', sequence: 1 };

/** As large as a client may make it. */
function tunnelWith(bytes: number): TunnelPresence {
  const text = 'é'.repeat(255);
  const ownRules: AccessRule[] = [];
  for (let size = 2; size + 110 < bytes; size += 110)
    ownRules.push({ action: 'deny', host: '*', port: '*', path: `/${'x'.repeat(109 - 47)}` });
  return {
    tunnelId: 't'.repeat(64),
    gatewayId: 'g'.repeat(64),
    clientId: 'c'.repeat(64),
    bootId: 'b'.repeat(64),
    tokenId: 'k'.repeat(64),
    transport: 'direct',
    address: '2001:db8::1',
    connectedAt: origin.startedAt,
    facts: { name: text, version: text, platform: text },
    ownRules,
  };
}

function said(work: (presence: LinkPresence, session: Session) => void, page: NodeSnapshot): object[] {
  const bodies: object[] = [];
  const session = { peer: { id: 'edge-1' }, sendControl: (body: object) => bodies.push(body) };
  const presence = new LinkPresence({ page: () => page, onAnnounce: () => {} });
  work(presence, session as unknown as Session);
  return bodies;
}

test('a client’s own list goes over links however long it may be, announced and in a page', () => {
  const up = tunnelWith(accessListBytesMax);
  assert.ok(JSON.stringify(up.ownRules).length > accessListBytesMax - 1_000);
  const page = { ...origin, tunnels: [up], more: false };
  const bodies = said((presence, session) => {
    presence.announce(session, { tunnel: { ...origin, up } });
    presence.handleControl(session, { kind: 'presenceAsk', ask: 1 });
  }, page);
  assert.deepEqual(bodies, [
    { kind: 'presenceTunnel', notice: { ...origin, up } },
    { kind: 'presencePage', ask: 1, page },
  ]);
  for (const body of bodies) assert.ok(Buffer.byteLength(JSON.stringify(body)) <= payloadBytesMax);
});

test('a list that does not fit is told as one that allows nothing', () => {
  const up = tunnelWith(payloadBytesMax);
  const [body] = said((presence, session) => presence.announce(session, { tunnel: { ...origin, up } }), {
    ...origin,
    tunnels: [],
    more: false,
  });
  assert.deepEqual(body, { kind: 'presenceTunnel', notice: { ...origin, up: { ...up, ownRules: [] } } });
});

test('a question that was given up before it is asked is refused', async () => {
  let asked: Promise<unknown> | undefined;
  const bodies = said(
    (presence, session) => {
      asked = presence.ask(session, undefined, AbortSignal.abort(new Error('it stops')));
    },
    { ...origin, tunnels: [], more: false },
  );
  await assert.rejects(async () => asked, /it stops/);
  assert.deepEqual(bodies, []);
});
