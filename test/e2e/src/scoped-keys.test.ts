// An API key for certain gateways and the certificates of others: through the API of a whole platform, which places of a
// destination it may have name which certificate, and that nothing it tries puts another's private key to its use.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { DestinationInput, Gateway } from '@postern/contracts';
import { AdminClient, AdminError, type Platform, bootInProcess } from '@postern/test-cluster';
import { freePort } from '@postern/test-kit';
import { TestCa, storeCertificate } from './fixture/certificate-store.ts';

const denied = { status: 403, code: 'CERTSTORE_CERTIFICATE_DENIED' };
const resource = { host: '10.0.0.5', port: 5432 };

describe('an API key for certain gateways', () => {
  let platform: Platform;
  let own: Gateway;
  let other: Gateway;
  let tenant: AdminClient;
  let pair: string;
  let ca: string;

  before(async () => {
    platform = await bootInProcess();
    const { admin, adminUrl, caFile } = platform;
    own = await admin.createGateway({ name: 'own' });
    other = await admin.createGateway({ name: 'other' });
    const { key } = await admin.createApiKey({ name: 'tenant', role: 'operator', gateways: [own.id] });
    tenant = new AdminClient({ adminUrl, apiKey: key, caPem: readFileSync(caFile, 'utf8') });
    const authority = await TestCa.make('Shop CA');
    const issued = await authority.issue({ usage: 'both', names: ['*.shop.example'] });
    pair = (await storeCertificate(platform, issued)).id;
    ca = (await storeCertificate(platform, { certPem: authority.caPem })).id;
  });
  after(async () => {
    tenant?.close();
    await platform?.stop();
  });

  const front = (id: string, host = 'till.shop.example'): DestinationInput => ({
    name: 'till',
    resource,
    front: { host, tls: { mode: 'server', certificateId: id } },
  });

  /** Every way in which a destination can name a certificate. */
  async function everyPlace(): Promise<DestinationInput[]> {
    const tls = { mode: 'mutual', clientCertificateId: pair } as const;
    const cloud = { name: 'cloud', kind: 'cloud' } as const;
    return [
      front(pair),
      { name: 'callers', resource, front: { tls: { mode: 'mutual', clientCaIds: [ca] } } },
      { name: 'verified', resource: { ...resource, tls: { mode: 'tls', caCertificateIds: [ca] } } },
      { name: 'shown', resource: { ...resource, tls } },
      { ...cloud, clientPort: await freePort(), resource: { ...resource, tls } },
      {
        ...cloud,
        clientPort: await freePort(),
        resource,
        listener: { tls: { mode: 'server', certificateId: pair } },
      },
      {
        ...cloud,
        clientPort: await freePort(),
        resource,
        listener: { tls: { mode: 'mutual', certificateId: pair, clientCaIds: [ca] } },
      },
    ];
  }

  test('has no destination made or changed so that it names a certificate of others, in any place', async () => {
    for (const input of await everyPlace()) {
      const text = JSON.stringify(input);
      const places = [...text.matchAll(new RegExp(`${pair}|${ca}`, 'g'))].length;
      await assert.rejects(tenant.createDestination(own.id, input), (error) => {
        assert(error instanceof AdminError);
        const { errors } = error.problem as { errors: unknown[] };
        assert.deepEqual([error.status, error.code, errors.length], [403, denied.code, places], text);
        return true;
      });
      const { resource: reached, front: _front, listener: _listener, ...plain } = input;
      const before = await tenant.createDestination(own.id, { ...plain, resource });
      const patch = { resource: reached, front: input.front, listener: input.listener };
      await assert.rejects(tenant.updateDestination(own.id, before.id, patch), denied, text);
      assert.equal((await tenant.destination(own.id, before.id)).revision, before.revision);
      await tenant.deleteDestination(own.id, before.id);
    }
  });

  test('is not told whether a certificate that it may not name exists', async () => {
    const problem = async (id: string): Promise<object> => {
      const answer = await tenant.send('POST', `/gateways/${own.id}/destinations`, front(id));
      const { trackingId: _trackingId, ...rest } = answer.body as { trackingId: string };
      return rest;
    };
    assert.deepEqual(await problem(pair), await problem('nothing'));
  });

  test('is not helped by a destination of another gateway that names the certificate', async () => {
    const { admin } = platform;
    const theirs = await admin.createDestination(other.id, front(pair, 'theirs.shop.example'));
    await assert.rejects(tenant.createDestination(own.id, front(pair)), denied);
    await admin.deleteDestination(other.id, theirs.id);
  });

  test('may name what a key for all gateways has named for one of its own, as it was named, and no longer than that', async () => {
    const { admin } = platform;
    const given = await admin.createDestination(own.id, front(pair, 'given.shop.example'));
    const made = await tenant.createDestination(own.id, front(pair));
    assert.equal(made.front?.tls.certificateId, pair);
    // What a node shows does not become what a client on somebody's machine holds, nor what is shown to resources.
    const listener = { tls: { mode: 'server', certificateId: pair } } as const;
    const cloud = { name: 'c', kind: 'cloud', clientPort: await freePort(), resource, listener } as const;
    await assert.rejects(tenant.createDestination(own.id, cloud), denied);
    const tls = { mode: 'mutual', clientCertificateId: pair } as const;
    await assert.rejects(
      tenant.createDestination(own.id, { name: 's', resource: { ...resource, tls } }),
      denied,
    );
    // Its own destination goes on and can be changed; once nothing of its gateways names it, it is as any other.
    await admin.deleteDestination(own.id, given.id);
    const moved = await tenant.updateDestination(own.id, made.id, { front: { host: 'moved.shop.example' } });
    assert.equal(moved.front?.host, 'moved.shop.example');
    const plain = { port: await freePort(), tls: { mode: 'none', certificateId: null } };
    await tenant.updateDestination(own.id, made.id, { front: plain });
    await assert.rejects(
      tenant.updateDestination(own.id, made.id, { front: { tls: { mode: 'server', certificateId: pair } } }),
      denied,
    );
    await tenant.deleteDestination(own.id, made.id);
  });

  test('takes no name out of a wildcard that another gateway has, by a new front nor by a moved one', async () => {
    const { admin } = platform;
    const passed = (host: string): DestinationInput => ({
      name: 'till',
      resource,
      front: { host, tls: { mode: 'passthrough' } },
    });
    const taken = { status: 409, code: 'ROUTER_FRONT_TAKEN' };
    const theirs = await admin.createDestination(other.id, passed('*.bank.example'));
    await assert.rejects(tenant.createDestination(own.id, passed('login.bank.example')), taken);
    const moving = await tenant.createDestination(own.id, passed('login.corp.example'));
    const move = { front: { host: 'login.bank.example' } };
    await assert.rejects(tenant.updateDestination(own.id, moving.id, move), taken);
    // A key for both gateways may: the name goes before the wildcard.
    const moved = await admin.updateDestination(own.id, moving.id, move);
    assert.equal(moved.front?.host, 'login.bank.example');
    await admin.deleteDestination(own.id, moving.id);
    await admin.deleteDestination(other.id, theirs.id);
  });

  test('does not make what is only verified by to what is shown', async () => {
    const { admin } = platform;
    const authority = await TestCa.make('another');
    const selfSigned = (await storeCertificate(platform, { certPem: authority.caPem })).id;
    const verified = await admin.createDestination(own.id, {
      name: 'verified',
      resource: { ...resource, tls: { mode: 'tls', caCertificateIds: [selfSigned] } },
    });
    await assert.rejects(tenant.createDestination(own.id, front(selfSigned)), denied);
    await tenant.createDestination(own.id, {
      name: 'again',
      resource: { ...resource, tls: { mode: 'tls', caCertificateIds: [selfSigned] } },
    });
    await admin.deleteDestination(own.id, verified.id);
  });

  test('is refused where certificates are listed, uploaded, generated and changed', async () => {
    const wanted = { status: 403, code: 'ADMIN_GATEWAY_DENIED' };
    await assert.rejects(tenant.call('GET', '/certificates'), wanted);
    await assert.rejects(tenant.uploadCertificate('x', 'y'), wanted);
    const order = { name: 'x', usage: 'client', subject: 'x', gatewayId: own.id };
    await assert.rejects(tenant.call('POST', '/certificates/generate', order), wanted);
    await assert.rejects(tenant.call('DELETE', `/certificates/${pair}`), wanted);
  });
});
