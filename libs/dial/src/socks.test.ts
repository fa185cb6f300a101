import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { type TestContext, describe, it } from 'node:test';
import { resetCodeName } from '@postern/tunnel';
import { type Dialled, dialResource } from './resource-dialer.ts';
import { ResourceError } from './resource-error.ts';
import type { ResourceProxy } from './socks.ts';

const allowed = { allowed: true, rule: null, reason: 'everything is allowed' };

/** A proxy that plays its part by heart: what it must be sent, and what it says to that; then the resource's greeting. */
async function play(t: TestContext, turns: [sent: string, answer: string][]): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    const left = [...turns];
    socket.on('data', (chunk: Buffer) => {
      const [sent, answer] = left.shift() ?? ['', ''];
      if (chunk.toString('hex') === sent) socket.write(Buffer.from(answer, 'hex'));
      else socket.end(`not expected: ${chunk.toString('hex')}`);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const nothing = { revision: 1, chainPem: '', keyPem: null, notAfter: '' };
/** The password of the user `u` at the proxy on this port. */
const passwordFor = (port: number) => ({
  id: 'passwordx',
  ...nothing,
  proxy: { host: 'proxy.corp', port, username: 'u', password: 'pw' },
});

function dial(proxy: Omit<ResourceProxy, 'host'>, host = 'db.corp', seconds = 5): Promise<Dialled> {
  return dialResource(
    {
      guard: { decide: () => allowed, denialOf: () => null },
      hosts: { resolve: async (name) => (name === 'proxy.corp' ? ['127.0.0.1'] : ['::1', '10.0.0.5']) },
      end: { name: 'the client', nameRemedy: 'mend it' },
      material: async ([id]) => {
        if (id !== 'passwordx') throw new Error('the platform does not give it');
        return [passwordFor(proxy.port)];
      },
    },
    { host, port: 5432, connectTimeoutSeconds: seconds, proxy: { ...proxy, host: 'proxy.corp' } },
    new AbortController().signal,
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

const hex = (text: string): string => Buffer.from(text).toString('hex');
const port = '1538';
const granted5 = '05000001000000000000';
const granted4 = '005a000000000000';
const hello = hex('hello');

describe('SOCKS proxy', () => {
  const ways: [what: string, proxy: Omit<ResourceProxy, 'host' | 'port'>, turns: [string, string][]][] = [
    [
      'SOCKS 5 takes the name as it is, and what the resource says at once is not lost',
      { type: 'socks5' },
      [
        ['050100', '0500'],
        [`0501000307${hex('db.corp')}${port}`, granted5 + hello],
      ],
    ],
    [
      'SOCKS 5 takes user name and password',
      { type: 'socks5', username: 'u', passwordId: 'passwordx' },
      [
        ['05020002', '0502'],
        [`0101${hex('u')}02${hex('pw')}`, '0100'],
        [`0501000307${hex('db.corp')}${port}`, granted5 + hello],
      ],
    ],
    [
      'SOCKS 4a takes the name as it is',
      { type: 'socks4a', username: 'u' },
      [[`0401${port}00000001${hex('u')}00${hex('db.corp')}00`, granted4 + hello]],
    ],
    [
      'SOCKS 4 takes the IPv4 address that the name has here',
      { type: 'socks4' },
      [[`0401${port}0a00000500`, granted4 + hello]],
    ],
  ];
  for (const [what, proxy, turns] of ways) {
    it(what, async (t) => {
      const { socket, address } = await dial({ ...proxy, port: await play(t, turns) });
      const [chunk] = (await once(socket.resume(), 'data')) as [Buffer];
      assert.equal(chunk.toString(), 'hello');
      assert.equal(address, proxy.type === 'socks4' ? '10.0.0.5' : null);
      socket.destroy();
    });
  }

  const faults: [what: string, turns: [string, string][], text: RegExp][] = [
    [
      'it wants credentials',
      [['050100', '05ff']],
      /^ProxyFailed: the proxy proxy\.corp:\d+ wants credentials/,
    ],
    [
      'the resource refuses it',
      [
        ['050100', '0500'],
        [`0501000307${hex('db.corp')}${port}`, '05050001000000000000'],
      ],
      /^ProxyFailed: .* did not connect the client to db\.corp:5432: the resource refused the connection/,
    ],
    [
      'it chooses GSSAPI, which it was not offered',
      [['050100', '0501']],
      /^ProxyFailed: the proxy proxy\.corp:\d+ takes no user and password: it may take GSSAPI/,
    ],
    ['it is none', [['050100', hex('HTTP/1.1 400 Bad Request')]], /^ProxyFailed: .*no answer in SOCKS5/],
  ];
  for (const [what, turns, text] of faults) {
    it(`says what is wrong with a proxy: ${what}`, async (t) => {
      assert.match(await fault(dial({ type: 'socks5', port: await play(t, turns) })), text);
    });
  }

  it('says what is wrong with a proxy: it takes neither user and password nor nobody', async (t) => {
    const proxy = { type: 'socks5', username: 'u', passwordId: 'passwordx' } as const;
    assert.match(
      await fault(dial({ ...proxy, port: await play(t, [['05020002', '05ff']]) })),
      /^ProxyFailed: .* takes no user and password: it may take GSSAPI \(Kerberos\) only/,
    );
  });

  it('asks for a name of another script in its ASCII form, at the port that was asked for', async (t) => {
    const name = 'xn--esko-fua.corp';
    const turns: [string, string][] = [
      ['050100', '0500'],
      [`0501000311${hex(name)}${port}`, granted5 + hello],
    ];
    const { socket } = await dial({ type: 'socks5', port: await play(t, turns) }, 'česko.corp');
    socket.destroy();
  });

  it('fails alone where user or password have no room in the protocol', async (t) => {
    const proxy = { type: 'socks5', username: 'é'.repeat(200), port: await play(t, []) } as const;
    assert.match(await fault(dial(proxy)), /^ProxyFailed: SOCKS5 has room for 255 bytes/);
  });

  it('says at once that a proxy hangs up without an answer', async (t) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => void socket.resume().end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port: proxyPort } = server.address() as AddressInfo;
    assert.match(
      await fault(dial({ type: 'socks4', port: proxyPort }, 'db.corp', 60)),
      /^ProxyFailed: .*no answer in SOCKS4: .* whether it reaches 10\.0\.0\.5:5432/,
    );
  });

  it('says so when there is no password to show, and shows none', async (t) => {
    const proxy = { type: 'socks5', username: 'u', passwordId: 'other', port: await play(t, []) } as const;
    assert.match(
      await fault(dial(proxy)),
      /^ProxyFailed: the password for the proxy .* is not here: the platform/,
    );
  });

  it('shows a password to no proxy and no user but those that it was given for', async (t) => {
    const proxy = {
      type: 'socks5',
      username: 'v',
      passwordId: 'passwordx',
      port: await play(t, []),
    } as const;
    assert.match(await fault(dial(proxy)), /is not here: it was given for another proxy or user/);
  });

  it('says so when the proxy takes no connections', async () => {
    assert.match(
      await fault(dial({ type: 'socks5', port: 1 })),
      /^ProxyFailed: the proxy cannot be used: proxy\.corp:1 \(127\.0\.0\.1\) refused/,
    );
  });

  it('gives up a proxy that is silent', async (t) => {
    const silent = await play(t, [['050100', '']]);
    assert.match(await fault(dial({ type: 'socks5', port: silent }, 'db.corp', 0.5)), /^TimedOut: the proxy/);
  });
});
