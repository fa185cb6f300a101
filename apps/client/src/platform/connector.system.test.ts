import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, describe, it } from 'node:test';
import type { ConnectRequest } from '@postern/contracts';
import { callPlatform, ticketLifeMs } from './connector.ts';
import { fixedCa } from './ca-file.ts';
import { Dialer, type DialerOptions } from './dialer.ts';
import { ClientError } from '../errors.ts';
import { Hosts } from '@postern/dial';
import { TestPlatform, makeCertificate } from './platform.fixture.ts';
import { proxyChooser } from './proxy-choice.ts';
import { startConnectProxy, startSocksProxy } from './proxy.fixture.ts';

const body: ConnectRequest = {
  gatewayId: 'abc',
  bootId: 'boot-boot-boot',
  publicKey: { kty: 'OKP', crv: 'Ed25519', x: 'x'.repeat(43) },
  facts: { name: 'n', version: 'v', platform: 'p' },
};

async function start(t: TestContext): Promise<TestPlatform> {
  const platform = await TestPlatform.start();
  t.after(() => platform.stop());
  return platform;
}

function dialerFor(
  platform: TestPlatform,
  options: Partial<DialerOptions> & { proxy?: string } = {},
): Dialer {
  return new Dialer({
    connectUrl: platform.url,
    ca: fixedCa(platform.caPem),
    chooseProxy: proxyChooser(options.proxy ?? null, {}),
    hosts: new Hosts({}),
    ...options,
  });
}

const call = (dialer: Dialer, token: string | null = 'token') =>
  callPlatform(dialer, body, token, new AbortController().signal);
const failure = async (promise: Promise<unknown>): Promise<ClientError> => {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert(error instanceof ClientError, String(error));
  return error;
};

describe('first call', () => {
  it('sends gateway, key and token, and reads tickets and nodes', async (t) => {
    const platform = await start(t);
    const admission = await call(dialerFor(platform));
    assert.deepEqual(platform.calls, [{ body, token: 'token' }]);
    assert.match(admission.clientId, /^abc_/);
    assert.equal(admission.grant.ticketLifeMs, 300_000);
    assert.equal(admission.grant.nodes[0]?.node, 'node-1');
  });

  it('sends no Authorization when there is no token', async (t) => {
    const platform = await start(t);
    await call(dialerFor(platform), null);
    assert.equal(platform.calls[0]?.token, null);
  });

  it('does not send what cannot be a token', async (t) => {
    const platform = await start(t);
    for (const token of ['a\nb', 'tök', 'x'.repeat(1025)]) {
      assert.equal((await failure(call(dialerFor(platform), token))).code, 'CLIENT_TOKEN_MALFORMED');
    }
    assert.deepEqual(platform.calls, []);
  });

  it('tells a refusal by the platform’s own code', async (t) => {
    const platform = await start(t);
    platform.callAnswer = { status: 401, code: 'ACL_TOKEN_EXPIRED' };
    const error = await failure(call(dialerFor(platform)));
    assert.deepEqual(
      [error.code, error.platformCode, error.status],
      ['CLIENT_CALL_FAILED', 'ACL_TOKEN_EXPIRED', 401],
    );
  });

  it('reads Retry-After, in seconds and as a date, and cuts it at ten minutes', async (t) => {
    const platform = await start(t);
    const retry = async (value: string): Promise<number> => {
      platform.callAnswer = { status: 503, code: 'EDGE_CALL_UNAVAILABLE', headers: { 'retry-after': value } };
      return (await failure(call(dialerFor(platform)))).retryAfterMs;
    };
    assert.equal(await retry('7'), 7000);
    assert.equal(await retry('999999'), 600_000);
    assert.equal(await retry('soon'), 0);
    const date = await retry(new Date(Date.now() + 60_000).toUTCString());
    assert(date > 50_000 && date <= 60_000);
  });

  it('says so when what answers is no platform', async (t) => {
    const platform = await start(t);
    platform.callAnswer = { status: 404, body: '<h1>not here</h1>' };
    assert.equal((await failure(call(dialerFor(platform)))).code, 'CLIENT_NOT_A_PLATFORM');
    platform.callAnswer = { status: 404, code: 'ADMIN_PATH_UNKNOWN' };
    const { code, message } = await failure(call(dialerFor(platform)));
    assert.equal(code, 'CLIENT_NOT_A_PLATFORM');
    assert.match(message, /is the admin API: --connect is the port of first calls/);
    const connectUrl = new URL(`https://localhost:${platform.node().port}`);
    const atTunnels = await failure(call(dialerFor(platform, { connectUrl })));
    assert.equal(atTunnels.code, 'CLIENT_NOT_A_PLATFORM');
    assert.match(atTunnels.message, /does not answer in HTTP: is --connect the port of first calls/);
  });

  it('follows no redirect', async (t) => {
    const platform = await start(t);
    platform.callAnswer = { status: 307, headers: { location: platform.url.href } };
    await failure(call(dialerFor(platform)));
    assert.equal(platform.calls.length, 1);
  });

  it('refuses an answer that is not what was asked for, or too long', async (t) => {
    const platform = await start(t);
    platform.callAnswer = { status: 200, body: '{}' };
    assert.equal((await failure(call(dialerFor(platform)))).code, 'CLIENT_ANSWER_MALFORMED');
    platform.callAnswer = { status: 200, body: 'x'.repeat(300_000) };
    assert.equal((await failure(call(dialerFor(platform)))).code, 'CLIENT_ANSWER_MALFORMED');
  });

  it('names the issuer when something in between shows its own certificate, and sends nothing', async (t) => {
    const platform = await start(t);
    const other = await makeCertificate(['localhost'], 'Another CA');
    await assert.rejects(call(dialerFor(platform, { ca: fixedCa(other.caPem) })), {
      code: 'TLS_ISSUER_UNKNOWN',
      message: /Test CA.*inspects TLS/,
    });
    assert.equal(platform.calls.length, 0);
  });

  it('is over when the answer changes to another protocol', async (t) => {
    const platform = await start(t);
    const headers = { connection: 'upgrade', upgrade: 'x' };
    platform.callAnswer = { status: 101, code: 'X', headers };
    assert.equal((await failure(call(dialerFor(platform)))).code, 'CLIENT_CONNECTION_FAILED');
  });

  it('ends when it is told to', async (t) => {
    const silent = createServer(() => {});
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const sockets: { destroy(): void }[] = [];
    silent.on('connection', (socket) => sockets.push(socket));
    t.after(() => {
      silent.close();
      for (const socket of sockets) socket.destroy();
    });
    const platform = await start(t);
    const dialer = dialerFor(platform, {
      connectUrl: new URL(`https://127.0.0.1:${(silent.address() as AddressInfo).port}`),
    });
    const abort = new AbortController();
    silent.once('connection', () => abort.abort(new Error('enough')));
    await assert.rejects(callPlatform(dialer, body, null, abort.signal), /enough/);
  });

  it('says that nothing listens', async (t) => {
    const platform = await start(t);
    const error = await failure(call(dialerFor(platform, { connectUrl: new URL('https://127.0.0.1:1') })));
    assert.equal(error.code, 'CLIENT_CONNECTION_FAILED');
    assert.match(error.message, /refused/);
  });

  it('takes the platform’s address from the hosts map', async (t) => {
    const platform = await start(t);
    const connectUrl = new URL(`https://platform.test:${platform.url.port}`);
    const hosts = new Hosts({ 'Platform.Test': '127.0.0.1' });
    // Reached, and then refused for the name that it does not have.
    await assert.rejects(call(dialerFor(platform, { connectUrl, hosts })), { code: 'TLS_NAME_MISMATCH' });
  });
});

describe('the CA', () => {
  it('is the one of the moment of each connection', async (t) => {
    const platform = await start(t);
    let inFile = (await makeCertificate(['localhost'], 'Another CA')).caPem;
    const ca = { pem: '', renew: (): void => void (ca.pem = inFile) };
    const dialer = dialerFor(platform, { ca });
    await assert.rejects(call(dialer), { code: 'TLS_ISSUER_UNKNOWN' });
    inFile = platform.caPem;
    await call(dialer);
  });
});

describe('first call by a proxy', () => {
  it('goes through HTTP CONNECT with credentials', async (t) => {
    const platform = await start(t);
    const proxy = await startConnectProxy({ credentials: 'user:p w' });
    t.after(() => proxy.close());
    await call(dialerFor(platform, { proxy: `http://user:p%20w@127.0.0.1:${proxy.port}` }));
    assert.deepEqual(proxy.targets, [platform.url.host]);
  });

  it('goes through a proxy that is reached over TLS', async (t) => {
    const certificate = await makeCertificate();
    const platform = await TestPlatform.start(1, certificate);
    t.after(() => platform.stop());
    const proxy = await startConnectProxy({
      tls: { key: certificate.keyPem, cert: certificate.certificatePem },
    });
    t.after(() => proxy.close());
    await call(dialerFor(platform, { proxy: `https://localhost:${proxy.port}` }));
    assert.deepEqual(proxy.targets, [platform.url.host]);
  });

  it('goes through SOCKS5 with credentials, and leaves names to the proxy', async (t) => {
    const platform = await start(t);
    const proxy = await startSocksProxy({ credentials: 'user:secret' });
    t.after(() => proxy.close());
    await call(dialerFor(platform, { proxy: `socks5://user:secret@127.0.0.1:${proxy.port}` }));
    assert.deepEqual(proxy.targets, [platform.url.host]);
  });

  it('says that the credentials are wrong, and does not repeat them', async (t) => {
    const platform = await start(t);
    const http = await startConnectProxy({ credentials: 'user:right' });
    const socks = await startSocksProxy({ credentials: 'user:right' });
    t.after(() => {
      http.close();
      socks.close();
    });
    for (const proxy of [
      `http://user:wrong@127.0.0.1:${http.port}`,
      `socks5://user:wrong@127.0.0.1:${socks.port}`,
    ]) {
      const error = await failure(call(dialerFor(platform, { proxy })));
      assert.equal(error.code, 'CLIENT_PROXY_CREDENTIALS', error.message);
      assert(!error.message.includes('wrong'));
    }
  });

  it('says that the proxy takes neither user and password nor nobody', async (t) => {
    const platform = await start(t);
    const proxy = createServer(
      (socket) => void socket.once('data', () => socket.end(Buffer.from([5, 0xff]))),
    );
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    t.after(() => proxy.close());
    const { port } = proxy.address() as AddressInfo;
    const error = await failure(call(dialerFor(platform, { proxy: `socks5://u:p@127.0.0.1:${port}` })));
    assert.equal(error.code, 'CLIENT_PROXY_CREDENTIALS');
    assert.match(error.message, /takes no user and password: it may take GSSAPI \(Kerberos\) only/);
  });

  /** A proxy that gives this for an answer, whatever it is asked, and what the client says of it. */
  const saidOf = async (t: TestContext, scheme: string, ...answers: (string | number[])[]) => {
    const proxy = createServer((socket) => {
      t.after(() => socket.destroy());
      socket.on('error', () => {});
      const left = answers.map((answer) => Buffer.from(answer as string));
      socket.on('data', () => {
        const answer = left.shift();
        if (answer !== undefined) socket.write(answer);
        if (left.length === 0) socket.end();
      });
    });
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    t.after(() => proxy.close());
    const { port } = proxy.address() as AddressInfo;
    const { code, message } = await failure(
      call(dialerFor(await start(t), { proxy: `${scheme}127.0.0.1:${port}` })),
    );
    return `${code}: ${message}`;
  };

  it('says which ways to sign in the proxy takes, where none of them is spoken here', async (t) => {
    const challenges = 'Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n';
    const answer = `HTTP/1.1 407 No\r\n${challenges}\r\n`;
    assert.match(
      await saidOf(t, 'http://u:p@', answer),
      /^CLIENT_PROXY_CREDENTIALS: .* signed in to by Negotiate, NTLM, and Basic alone is spoken here: /,
    );
  });

  it('tells a proxy that wants credentials from one that wants others', async (t) => {
    const answer =
      'HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm="a, b", qop="auth", Basic realm="c"\r\n\r\n';
    assert.match(await saidOf(t, 'http://', answer), /wants credentials, and there are none: .*\(407\)$/);
    assert.match(await saidOf(t, 'http://u:p@', answer), /wants other credentials \(407\)$/);
  });

  it('says what a proxy means that does not connect, in either protocol', async (t) => {
    const http = async (answer: string) => saidOf(t, 'http://', answer);
    const socks = async (...answers: (string | number[])[]) => saidOf(t, 'socks5://', ...answers);
    const reply = (code: number): number[] => [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
    assert.match(await http('HTTP/1.1 403 Forbidden\r\n\r\n'), /\(403\): its rules may not allow/);
    assert.match(await http('HTTP/1.1 502 Bad\r\n\r\n'), /\(502\): it may not resolve or reach this host$/);
    assert.match(await http('\x05\xff'), /speaks no HTTP on this port; .*socks5:\/\/HOST:PORT/);
    assert.match(await http(''), /gave no answer to CONNECT \S+: it closed the connection$/);
    assert.match(await socks([5, 0], reply(2)), /: its own rules do not allow it$/);
    assert.match(await socks([5, 0], reply(99)), /: it gave a reason that SOCKS does not know$/);
    assert.match(await socks('HTTP/1.1 400 Bad\r\n\r\n'), /: it gave no answer in SOCKS: check its type/);
    assert.match(await socks(''), /: it closed the connection$/);
  });

  it('says that the proxy passes nothing on, though it said that it is connected', async (t) => {
    const platform = await start(t);
    const abort = new AbortController();
    const proxy = createServer((socket) => {
      t.after(() => socket.destroy());
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        // The first of TLS.
        socket.once('data', () => abort.abort(new DOMException('too late', 'TimeoutError')));
      });
    });
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    t.after(() => proxy.close());
    const { port } = proxy.address() as AddressInfo;
    const error = await failure(
      dialerFor(platform, { proxy: `http://127.0.0.1:${port}` }).platform(abort.signal),
    );
    assert.equal(error.code, 'CLIENT_PROXY_FAILED');
    assert.match(error.message, /said that it is connected to .*nothing came back: it may let no TLS/);
  });

  it('says that the proxy refused, or is not there', async (t) => {
    const platform = await start(t);
    const proxy = await startConnectProxy({ refuse: () => true });
    t.after(() => proxy.close());
    assert.equal(
      (await failure(call(dialerFor(platform, { proxy: `http://127.0.0.1:${proxy.port}` })))).code,
      'CLIENT_PROXY_REFUSED',
    );
    assert.equal(
      (await failure(call(dialerFor(platform, { proxy: 'http://127.0.0.1:1' })))).code,
      'CLIENT_PROXY_FAILED',
    );
    assert.equal(
      (await failure(call(dialerFor(platform, { proxy: 'socks5://127.0.0.1:1' })))).code,
      'CLIENT_PROXY_FAILED',
    );
  });
});

describe('ticket life', () => {
  const ticket = (claims: object): string =>
    `h.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.s`;

  it('is the difference of the ticket’s own times, whatever the clock here says', () => {
    assert.equal(ticketLifeMs(ticket({ iat: 1000, exp: 1120 }), 300), 120_000);
  });

  it('is never longer than the contract allows, and that long when the ticket cannot be read', () => {
    assert.equal(ticketLifeMs(ticket({ iat: 0, exp: 1e9 }), 300), 300_000);
    assert.equal(ticketLifeMs('nonsense', 300), 300_000);
    assert.equal(ticketLifeMs(ticket({ iat: 10, exp: 5 }), 300), 0);
  });
});
