import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { startInterceptingProxy } from './intercepting-proxy.ts';

test('an inspecting proxy shows a certificate of its own CA for the name that is asked for', async () => {
  await using proxy = await startInterceptingProxy({ host: '127.0.0.1', port: 1 });
  const { host, port } = proxy;
  const believing = connect({ host, port, servername: 'gateway.example', ca: proxy.caPem });
  believing.on('error', () => {});
  await once(believing, 'secureConnect');
  const { subjectaltname, issuer } = believing.getPeerCertificate();
  assert.equal(subjectaltname, 'DNS:gateway.example');
  assert.equal(issuer.CN, proxy.authorityName);
  believing.destroy();
  const doubting = connect({ host, port, servername: 'gateway.example' });
  const [error] = (await once(doubting, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'SELF_SIGNED_CERT_IN_CHAIN');
});
