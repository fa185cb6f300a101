import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type CloudListenerState, Control, knownFeatures } from '@postern/contracts';
import { Value } from 'typebox/value';
import { CloudBook } from './cloud-book.ts';
import { routeOf } from '../fixture/documents.ts';
import type { Tunnel } from '../client/tunnels.ts';

const gatewayId = 'g1';
const listening = (destinationId: string): CloudListenerState => ({
  destinationId,
  listening: true,
  error: null,
});

describe('whether clients follow what they were told of cloud destinations', () => {
  let tunnel: Tunnel;
  let sent: unknown[];
  let revision: number;
  let book: CloudBook;

  beforeEach(() => {
    sent = [];
    revision = 1;
    const session = { usable: true, sendControl: (body: unknown) => sent.push(body) };
    tunnel = { gatewayId, clientId: 'c1', features: new Set(knownFeatures), session } as unknown as Tunnel;
    book = new CloudBook({ tunnels: () => [tunnel], position: () => ({ epoch: 'e1', revision }) });
  });

  function make(id: string, clientPort = 7001): void {
    revision += 1;
    book.apply(id, gatewayId, routeOf({ id, kind: 'cloud', clientPort }));
    book.tellAll(gatewayId);
  }

  /** Whether `followed` has resolved once all that was said has been heard. */
  async function follows(): Promise<boolean> {
    const late = Symbol('late');
    const turn = new Promise((resolve) => setImmediate(resolve, late));
    return (await Promise.race([book.followed(gatewayId), turn])) !== late;
  }

  it('is so while nothing was told', async () => {
    assert.equal(await follows(), true);
  });

  it('is so once a client listens for all of it, or says why it cannot', async () => {
    make('d1');
    make('d2', 7002);
    assert.equal(await follows(), false);
    book.setStates(tunnel, [listening('d1')], revision);
    assert.equal(await follows(), false);
    const failed = { destinationId: 'd2', listening: false, error: 'EADDRINUSE' };
    book.setStates(tunnel, [listening('d1'), { ...failed, error: null }], revision);
    assert.equal(await follows(), false);
    book.setStates(tunnel, [listening('d1'), failed], revision);
    assert.equal(await follows(), true);
  });

  it('is told in one frame also of 64 destinations of which all is as long as it may be', () => {
    const host = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;
    const ids = Array.from({ length: 64 }, (_, n) => `01m8dj9dkr3bybdd2fa${String(n).padStart(3, '0')}`);
    const certificate = ids[0] ?? '';
    for (const [n, id] of ids.entries()) {
      const route = routeOf({ id, kind: 'cloud', name: '\u6f22'.repeat(64), clientPort: 20_000 + n });
      const tls = { ...route.resource.tls, mode: 'tls' as const, serverName: host };
      const resource = { ...route.resource, host, protocol: 'http' as const, compress: true, tls };
      const clientCaIds = [certificate, certificate, certificate, certificate];
      const listener = { tls: { mode: 'mutual' as const, certificateId: certificate, clientCaIds } };
      book.apply(id, gatewayId, { ...route, resource, listener });
    }
    book.tellAll(gatewayId);
    assert.equal(sent.length, 1, 'of all that changed together it is told once');
    const last = sent.at(-1) as { destinations: unknown[] };
    assert.equal(last.destinations.length, 64);
    assert(Buffer.byteLength(JSON.stringify(last)) <= 65_536);
  });

  it('is shown with causes that are cut, and takes longer ones, as a newer client may say', () => {
    make('d1');
    const cause = 'x'.repeat(1_000);
    const lastRefusal = { at: '', caller: '', code: '', text: cause };
    const said = { destinationId: 'd1', listening: false, error: cause, lastRefusal };
    assert.ok(Value.Check(Control, { kind: 'cloudListeners', listeners: [said] }));
    book.setStates(tunnel, [said]);
    const [shown] = book.statesOf(tunnel);
    assert.deepEqual([shown?.error?.length, shown?.lastRefusal?.text.length], [200, 400]);
  });

  it('is kept once of each destination of the gateway, whatever else a client says', () => {
    make('d1');
    const said = ['d1', 'd2', 'd1'].map(listening);
    book.setStates(tunnel, said, revision);
    assert.deepEqual(book.statesOf(tunnel), [listening('d1')]);
  });

  it('does not take what was said of a former list for an answer', async () => {
    make('d1');
    book.setStates(tunnel, [listening('d1')], revision);
    make('d1', 7003);
    book.setStates(tunnel, [listening('d1')], revision - 1);
    assert.equal(await follows(), false);
    book.setStates(tunnel, [listening('d1')], revision);
    assert.equal(await follows(), true);
  });

  it('takes the next word of a client that says no revision', async () => {
    make('d1');
    book.setStates(tunnel, [listening('d1')]);
    assert.equal(await follows(), true);
  });

  it('holds nobody up for a client that has gone', async () => {
    make('d1');
    const followed = book.followed(gatewayId);
    book.forget(tunnel.session);
    await followed;
    assert.equal(await follows(), true);
  });

  it('holds nobody up for a tunnel that is being given up', async () => {
    make('d1');
    tunnel.session.usable = false;
    assert.equal(await follows(), true);
  });

  it('holds up no operator of another gateway', async () => {
    make('d1');
    await Promise.race([book.followed('g2'), new Promise((_, reject) => setImmediate(reject))]);
    await Promise.race([book.followed(null), new Promise((_, reject) => setImmediate(reject))]);
    assert.equal(await follows(), false);
  });

  it('holds nobody up for long', async () => {
    make('d1');
    await book.followed(gatewayId);
  });
});
