import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, type Server, type Socket, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, before, describe, it } from 'node:test';
import { type TlsOptions, type TLSSocket, createServer } from 'node:tls';
import { createAuthority, createSigningRequest, generateKey, loadAuthority } from '@postern/tls';
import { resetCodeName } from '@postern/tunnel';
import type { TlsMaterial } from './material.ts';
import { type Dialled, dialResource } from './resource-dialer.ts';
import { ResourceError } from './resource-error.ts';
import type { ResourceTls } from './resource-tls.ts';
import type { DialStep } from './step.ts';

const dayMs = 86_400_000;
const day = (offset: number): Date => new Date(Date.now() + offset * dayMs);
const allowed = { allowed: true, rule: null, reason: 'everything is allowed' };

interface Pair {
  chainPem: string;
  keyPem: string;
}

/** A CA, and pairs that it signed. */
async function makeCa(commonName: string) {
  const authority = loadAuthority(await createAuthority({ commonName }));
  const issue = async (
    names: string[],
    notBefore = day(-2),
    notAfter = day(30),
    attributes?: [],
  ): Promise<Pair> => {
    const keyPem = await generateKey();
    const csrPem = await createSigningRequest({ keyPem, commonName: names[0] ?? '' });
    const request = { csrPem, names, usage: 'both', notBefore, notAfter } as const;
    return { keyPem, chainPem: await authority.issue(attributes ? { ...request, attributes } : request) };
  };
  return { pem: authority.certificatePem, issue };
}

let ca: Awaited<ReturnType<typeof makeCa>>;
let otherCa: typeof ca;
let good: Pair;
before(async () => {
  ca = await makeCa('Plant CA');
  otherCa = await makeCa('Other CA');
  good = await ca.issue(['db.corp']);
});

async function listen(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function serve(t: TestContext, { chainPem, keyPem }: Pair, options: TlsOptions = {}): Promise<number> {
  const server = createServer({ cert: chainPem, key: keyPem, ...options }, (socket) => {
    socket.on('error', () => {});
    socket.end('hello');
  });
  return listen(
    t,
    server.on('tlsClientError', () => {}),
  );
}

/** OpenSSL's own server: Node's takes any client certificate in the handshake, and closes afterwards. */
async function serveOpenssl(t: TestContext, pair: Pair, version: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-dial-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const own = ['-cert', file('cert', pair.chainPem), '-key', file('key', pair.keyPem)];
  const verify = ['-CAfile', file('ca', ca.pem), '-Verify', '2', '-verify_return_error'];
  const server = spawn('openssl', ['s_server', '-accept', '127.0.0.1:0', ...own, ...verify, version]);
  t.after(() => {
    server.kill();
    rmSync(folder, { recursive: true });
  });
  let text = '';
  for await (const chunk of server.stdout as AsyncIterable<Buffer>) {
    text += chunk.toString();
    const port = /^ACCEPT \S+:(\d+)$/m.exec(text)?.[1];
    if (port !== undefined) return Number(port);
  }
  return assert.fail(`openssl did not listen: ${text}`);
}

const material = (id: string, chainPem: string, keyPem: string | null = null): TlsMaterial => ({
  id,
  revision: 1,
  chainPem,
  keyPem,
  notAfter: day(30).toISOString(),
});

interface Attempt extends Partial<ResourceTls> {
  readonly materials?: readonly TlsMaterial[];
  readonly onStep?: (step: DialStep) => void;
  readonly isTrial?: boolean;
  readonly connectTimeoutSeconds?: number;
  readonly signal?: AbortSignal;
}

function dial(port: number, attempt: Attempt): Promise<Dialled> {
  const { materials, onStep, isTrial, connectTimeoutSeconds = 5, signal, ...tls } = attempt;
  const all = materials ?? [material('ca', ca.pem)];
  return dialResource(
    {
      guard: { decide: () => allowed, denialOf: () => null },
      hosts: { resolve: async () => ['127.0.0.1'] },
      end: { name: 'the client', nameRemedy: 'mend it' },
      material: async (ids) => ids.map((id) => all.find((one) => one.id === id) ?? assert.fail(id)),
      onStep,
    },
    {
      host: 'db.corp',
      port,
      connectTimeoutSeconds,
      isTrial,
      tls: {
        mode: 'tls',
        serverName: null,
        caCertificateIds: ['ca'],
        clientCertificateId: null,
        rejectUnauthorized: true,
        ...tls,
      },
    },
    signal ?? new AbortController().signal,
  );
}

async function fault(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert(error instanceof ResourceError, String(error));
  return `${resetCodeName(error.reset)}: ${error.message}`;
}

async function greeting({ socket }: Dialled): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString())).resume();
  await once(socket, 'end');
  socket.destroy();
  return text;
}

describe('TLS to a resource', () => {
  it('shows no certificate by which it only verifies, though another destination shows it', async (t) => {
    const shown: (string | null)[] = [];
    const options = { requestCert: true, rejectUnauthorized: false };
    const server = createServer({ cert: good.chainPem, key: good.keyPem, ...options }, (socket) => {
      shown.push(socket.getPeerX509Certificate()?.subject ?? null);
      socket.on('error', () => {}).end('hello');
    });
    const port = await listen(t, server);
    const materials = [material('own', good.chainPem, good.keyPem)];
    const tls = { materials, caCertificateIds: ['own'] };
    for (const mutual of [true, false, true]) {
      const change = mutual ? ({ mode: 'mutual', clientCertificateId: 'own' } as const) : {};
      const { socket } = await dial(port, { ...tls, ...change });
      await once(socket.resume(), 'end');
      socket.destroy();
    }
    assert.deepEqual(shown, ['CN=db.corp', null, 'CN=db.corp']);
  });

  it('takes a certificate of the CA that the destination names, for its host or the name that it gives', async (t) => {
    assert.equal(await greeting(await dial(await serve(t, good), {})), 'hello');
    const port = await serve(t, await ca.issue(['other.corp']));
    assert.equal(await greeting(await dial(port, { serverName: 'other.corp' })), 'hello');
  });

  it('takes a certificate that the destination names itself, whoever signed it', async (t) => {
    const port = await serve(t, good);
    assert.equal(await greeting(await dial(port, { materials: [material('ca', good.chainPem)] })), 'hello');
  });

  it('believes no CA that it only shows: not the one above its client certificate', async (t) => {
    const own = await otherCa.issue(['app']);
    const port = await serve(t, await otherCa.issue(['db.corp']));
    const materials = [material('ca', ca.pem), material('own', own.chainPem + otherCa.pem, own.keyPem)];
    const mutual = { mode: 'mutual', clientCertificateId: 'own', materials } as const;
    for (const caCertificateIds of [['ca'], []])
      assert.match(
        await fault(dial(port, { ...mutual, caCertificateIds })),
        /^TlsFailed: .*signed by Other CA/,
      );
  });

  it('shows no certificate where the destination asks for TLS that is not mutual', async (t) => {
    const { chainPem, keyPem } = await ca.issue(['app']);
    const port = await serve(t, good, { requestCert: true, ca: ca.pem, maxVersion: 'TLSv1.2' });
    const materials = [material('ca', ca.pem), material('own', chainPem, keyPem)];
    assert.match(await fault(dial(port, { clientCertificateId: 'own', materials })), /^TlsFailed: /);
  });

  const wrong: [what: string, serves: () => Promise<Pair>, text: RegExp][] = [
    ['another CA', () => otherCa.issue(['db.corp']), /^TlsFailed: db\.corp:\d+ .*signed by Other CA/],
    ['another name', () => ca.issue(['a.corp', 'b.corp']), /for a\.corp, b\.corp, not for db\.corp/],
    ['its time over', () => ca.issue(['db.corp'], day(-3), day(-1)), /ended on \w{3} .* must be renewed/],
    ['its time to come', () => ca.issue(['db.corp'], day(2), day(3)), /valid from \w{3} /],
  ];
  for (const [what, serves, text] of wrong) {
    it(`refuses ${what} and says what it met`, async (t) => {
      const port = await serve(t, await serves());
      assert.match(await fault(dial(port, {})), text);
      assert.equal(await greeting(await dial(port, { rejectUnauthorized: false })), 'hello');
    });
  }

  it('says so when the resource speaks something else, or says nothing', async (t) => {
    const plain = await listen(
      t,
      createTcpServer((socket) => void socket.end('220 mail.corp\r\n')),
    );
    const later =
      /\(PostgreSQL, MySQL, STARTTLS\), the caller does that itself, .*\(resource\.tls\.mode "none"\)$/;
    assert.match(await fault(dial(plain, {})), /^TlsFailed: .* does not speak TLS/);
    assert.match(await fault(dial(plain, {})), later);
    const closing = await listen(
      t,
      createTcpServer((socket) => void socket.once('data', () => socket.end())),
    );
    assert.match(await fault(dial(closing, {})), later);
    const silent = await listen(t, createTcpServer());
    assert.match(
      await fault(dial(silent, { connectTimeoutSeconds: 0.2 })),
      /^TimedOut: .*gave no answer in TLS/,
    );
  });

  it('leaves no connection behind when it fails or is given up', async (t) => {
    const stop = new AbortController();
    const server = createTcpServer();
    const port = await listen(t, server);
    for (const end of [(to: Socket) => to.end('220 mail.corp'), () => stop.abort(new Error('given up'))]) {
      const dialled = dial(port, { signal: stop.signal });
      const [to] = (await once(server, 'connection')) as [Socket];
      const closed = once(to.resume(), 'close');
      end(to);
      await assert.rejects(dialled, stop.signal.aborted ? /^Error: given up$/ : ResourceError);
      await closed;
    }
  });

  const clients: [what: string, shown: () => Promise<Pair | null>, text: RegExp][] = [
    ['none', async () => null, /(asks for|want) a client certificate, and none is given/],
    [
      'one of another CA',
      () => otherCa.issue(['app']),
      /refused the client certificate \(.*CN=app.*Other CA/,
    ],
  ];
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const options = () => ({ requestCert: true, ca: ca.pem, maxVersion: version });

    it(`shows its client certificate (${version})`, async (t) => {
      const { chainPem, keyPem } = await ca.issue(['app']);
      const port = await serve(t, good, options());
      const materials = [material('ca', ca.pem), material('own', chainPem, keyPem)];
      const mutual = { mode: 'mutual', clientCertificateId: 'own', materials } as const;
      assert.equal(await greeting(await dial(port, mutual)), 'hello');
    });

    if (version === 'TLSv1.3') {
      it('names the client certificate when a reset overtakes what the resource says of it', async (t) => {
        const { chainPem, keyPem } = await ca.issue(['app']);
        const port = await serve(t, good, options());
        const materials = [material('ca', ca.pem), material('own', chainPem, keyPem)];
        const { socket, explain } = await dial(port, {
          mode: 'mutual',
          clientCertificateId: 'own',
          materials,
        });
        const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
        assert.match(explain(reset).text, /may have refused the client certificate \(.*CN=app/);
        const taken = once(socket, 'session');
        socket.resume();
        await taken;
        assert.match(explain(reset).text, /reset the connection/, 'it has taken it');
        socket.destroy();
      });

      it('says that none was given when a reset overtakes what the resource says of that', async (t) => {
        const { socket, explain } = await dial(await serve(t, good), {});
        const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
        assert.match(explain(reset).text, /asks for a client certificate, and none is given/);
        await once(socket.resume(), 'session');
        assert.match(explain(reset).text, /reset the connection/, 'it wants none');
        socket.destroy();
      });
    }

    for (const [what, shown, text] of clients) {
      it(`tells that a resource refused its client certificate: ${what} (${version})`, async (t) => {
        const port = await serveOpenssl(t, good, version === 'TLSv1.2' ? '-tls1_2' : '-tls1_3');
        const pair = await shown();
        const steps: DialStep[] = [];
        const materials = [
          material('ca', ca.pem),
          ...(pair === null ? [] : [material('own', pair.chainPem, pair.keyPem)]),
        ];
        const mutual = { mode: 'mutual', clientCertificateId: 'own' } as const;
        const attempt = {
          materials,
          ...(pair === null ? {} : mutual),
          onStep: (step: DialStep) => steps.push(step),
        };
        assert.match(await fault(dial(port, { ...attempt, isTrial: true })), text);
        assert.deepEqual(
          steps.map(({ name, ok }) => [name, ok]),
          [
            ['access list', true],
            ['resolve', true],
            ['connect', true],
            ['TLS', false],
          ],
        );
        if (version === 'TLSv1.2') return;
        // For a stream nobody waits, also where its steps are told: the refusal comes as an error of the socket.
        const { socket, explain } = await dial(port, attempt);
        const broke = once(socket, 'error') as Promise<[NodeJS.ErrnoException]>;
        socket.on('error', () => {}).resume();
        const [error] = await broke;
        assert.match(explain(error).text, text);
      });
    }
  }

  it('refuses a key that is not the certificate’s', async (t) => {
    const { chainPem } = await ca.issue(['app']);
    const materials = [material('ca', ca.pem), material('own', chainPem, await generateKey())];
    const port = await serve(t, good);
    const text = await fault(dial(port, { mode: 'mutual', clientCertificateId: 'own', materials }));
    assert.match(text, /^TlsFailed: .*cannot be used together/);
  });

  it('tells what the resource showed', async (t) => {
    const steps: DialStep[] = [];
    const { socket } = await dial(await serve(t, good), { onStep: (step) => steps.push(step) });
    socket.destroy();
    const text = steps.at(-1)?.text ?? '';
    assert.match(
      text,
      /^TLSv1\.3, certificate of CN=db\.corp, names DNS:db\.corp, signed by CN=Plant CA, .*: verified$/,
    );
  });

  it('tells what a resource showed whose certificate has alternative names alone', async (t) => {
    const pair = await ca.issue(['db.corp'], day(-2), day(30), []);
    const steps: DialStep[] = [];
    const { socket } = await dial(await serve(t, pair), { onStep: (step) => steps.push(step) });
    socket.destroy();
    assert.match(
      steps.at(-1)?.text ?? '',
      /^TLSv1\.3, certificate of nobody, names DNS:db\.corp, .*: verified$/,
    );
  });

  it('goes on from one end of TLS to the other', async (t) => {
    const server = createServer(
      { cert: good.chainPem, key: good.keyPem, allowHalfOpen: true },
      (socket: TLSSocket) => {
        socket.on('end', () => socket.end('late')).resume();
      },
    );
    const { socket } = await dial(await listen(t, server), {});
    socket.end();
    assert.equal(await greeting({ socket, address: null, explain: () => assert.fail() }), 'late');
  });
});
