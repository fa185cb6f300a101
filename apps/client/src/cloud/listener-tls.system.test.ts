import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect as connectTcp, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import type { TlsMaterial } from '@postern/dial';
import {
  type Authority,
  createAuthority,
  createSigningRequest,
  generateKey,
  loadAuthority,
} from '@postern/tls';
import { CallerTlsFault, Handshakes, ListenerTls, handshakesMax } from './listener-tls.ts';

const hourMs = 3_600_000;
let cas: Record<'ours' | 'other', Authority>;
const held = new Map<string, TlsMaterial>();

before(async () => {
  const [ours, other] = await Promise.all(
    ['Ours', 'Other'].map(async (commonName) => loadAuthority(await createAuthority({ commonName }))),
  );
  assert(ours && other);
  cas = { ours, other };
  hold('ca', { chainPem: ours.certificatePem, keyPem: null });
  hold('pair', await issue(ours, 'server', 'listener.example'));
});
after(() => held.clear());

interface Pair {
  readonly chainPem: string;
  readonly keyPem: string | null;
}

async function issue(
  ca: Authority,
  usage: 'server' | 'client',
  name: string,
  endsInMs = hourMs,
): Promise<Pair & { keyPem: string }> {
  const keyPem = await generateKey();
  const csrPem = await createSigningRequest({ keyPem, commonName: name });
  const notBefore = new Date(Date.now() - 2 * hourMs);
  const notAfter = new Date(Date.now() + endsInMs);
  const chainPem = await ca.issue({ csrPem, names: [name], usage, notBefore, notAfter });
  return { chainPem, keyPem };
}

function hold(id: string, pair: Pair): void {
  const revision = (held.get(id)?.revision ?? 0) + 1;
  held.set(id, { ...pair, id, revision, notAfter: new Date(Date.now() + hourMs).toISOString() });
}

function listenerTls(certificateId: string, clientCaIds: string[]): ListenerTls {
  const tls = { certificateId, clientCaIds };
  const about = { id: 'd1', name: 'd', protocol: 'tcp', clientPort: 1, host: 'h', port: 1 } as const;
  return new ListenerTls({ ...about, idleTimeoutSeconds: 0, tls }, tls, {
    handshakes: new Handshakes(),
    material: async (ids) =>
      ids.map((id) => {
        const found = held.get(id);
        if (found === undefined) throw new Error(`${id} has not come`);
        return found;
      }),
  });
}

/** One caller of a listener: `echoed` with the certificate that it saw, or the fault. */
async function call(tls: ListenerTls, options: ConnectionOptions | null): Promise<string> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const caller =
    options === null
      ? connectTcp(port, '127.0.0.1', () => caller.write('GET / HTTP/1.0\r\n\r\n'))
      : connect({ port, host: '127.0.0.1', servername: 'listener.example', ...options });
  caller.on('error', () => {});
  try {
    const secured = await tls.accept((await accepted)[0]);
    secured.pipe(secured);
    caller.write('hello');
    const [back] = await once(caller, 'data');
    return `echoed ${String(back)}`;
  } catch (error) {
    assert(error instanceof CallerTlsFault, String(error));
    return `${error.cause?.code}: ${error.cause?.text}`;
  } finally {
    caller.destroy();
    server.close();
  }
}

test('a caller that believes the certificate is let in, and the next handshake takes one that was replaced', async () => {
  const tls = listenerTls('pair', []);
  const trust = { ca: cas.ours.certificatePem };
  assert.equal(await call(tls, trust), 'echoed hello');
  hold('pair', await issue(cas.other, 'server', 'listener.example'));
  assert.match(
    await call(tls, trust),
    /^CLIENT_CALLER_TLS: .*closed the connection in the TLS handshake, as many do that do not believe/,
  );
  assert.equal(await call(tls, { ca: cas.other.certificatePem }), 'echoed hello');
  hold('pair', await issue(cas.ours, 'server', 'listener.example'));
  assert.equal(await call(tls, trust), 'echoed hello');
});

test('where callers must show a certificate, every other is turned away with what is wrong', async () => {
  const tls = listenerTls('pair', ['ca']);
  const wants = async (pair: Promise<Pair> | null): Promise<string> => {
    const { chainPem: cert, keyPem: key } = (await pair) ?? { chainPem: undefined, keyPem: undefined };
    return call(tls, { ca: cas.ours.certificatePem, ...(cert && key ? { cert, key } : {}) });
  };
  assert.equal(await wants(issue(cas.ours, 'client', 'app')), 'echoed hello');
  const wrong: [RegExp, Promise<Pair> | null][] = [
    [/showed no certificate, and this listener asks for one/, null],
    [
      /\(CN=app\) is signed by CN=Other, which is not one of the client CAs/,
      issue(cas.other, 'client', 'app'),
    ],
    [/\(CN=app\) expired on /, issue(cas.ours, 'client', 'app', -hourMs)],
    [/\(CN=app\) is not meant for TLS clients/, issue(cas.ours, 'server', 'app')],
  ];
  for (const [cause, pair] of wrong) {
    const answer = await wants(pair);
    assert.match(answer, /^CLIENT_CALLER_CERTIFICATE: /);
    assert.match(answer, cause);
  }
});

test('what is not TLS, and certificates that are missing or do not go together, are told', async () => {
  assert.match(
    await call(listenerTls('pair', []), null),
    /CLIENT_CALLER_TLS: this listener speaks TLS, and plain HTTP/,
  );
  assert.match(await call(listenerTls('none', []), {}), /CLIENT_LISTENER_CERTIFICATE: .*none has not come/);
  assert.match(await call(listenerTls('ca', []), {}), /CLIENT_LISTENER_CERTIFICATE: .*no private key/);
  const [one, two] = await Promise.all([issue(cas.ours, 'server', 'a'), issue(cas.ours, 'server', 'b')]);
  hold('mixed', { chainPem: one.chainPem, keyPem: two.keyPem });
  assert.match(
    await call(listenerTls('mixed', []), {}),
    /CLIENT_LISTENER_CERTIFICATE: .*cannot be used together/,
  );
});

test('who connects and goes without a byte is no fault', async () => {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  connectTcp((server.address() as AddressInfo).port, '127.0.0.1').end();
  await assert.rejects(listenerTls('pair', []).accept((await accepted)[0]), { cause: null });
  server.close();
});

test('of more handshakes than the bound allows the oldest goes', async () => {
  const handshakes = new Handshakes();
  const never = (signal: AbortSignal): Promise<never> =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  const first = handshakes.run(never);
  const end = new AbortController();
  const others = Array.from({ length: handshakesMax - 1 }, () =>
    handshakes.run(
      () => new Promise<void>((resolve) => end.signal.addEventListener('abort', () => resolve())),
    ),
  );
  assert.equal(handshakes.size, handshakesMax);
  await handshakes.run(async () => {});
  await assert.rejects(first, /256 other callers began a handshake meanwhile/);
  end.abort();
  await Promise.all(others);
  assert.equal(handshakes.size, 0);
});
