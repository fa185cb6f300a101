import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, describe, it } from 'node:test';
import type { Lookup } from '@postern/dial';
import { parseProxy } from './proxy-choice.ts';
import { type SocketRequest, openSocket } from './proxy-tunnel.ts';

/** The deadline passes when a test says so. */
function deadline(): { signal: AbortSignal; pass: () => void } {
  const abort = new AbortController();
  return { signal: abort.signal, pass: () => abort.abort(new DOMException('too late', 'TimeoutError')) };
}

const known: Lookup = (_host, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]);

const request = (options: Partial<SocketRequest> & Pick<SocketRequest, 'signal'>): SocketRequest => ({
  host: 'gw.test',
  port: 443,
  proxy: null,
  lookup: known,
  caPem: null,
  ...options,
});

/** Takes connections and says nothing. */
async function startSilent(t: TestContext, onConnection: () => void): Promise<number> {
  const server = createServer((socket) => {
    t.after(() => socket.destroy());
    onConnection();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

describe('a deadline says what was waited for', () => {
  it('a name for which DNS gives no answer', async () => {
    const { signal, pass } = deadline();
    await assert.rejects(openSocket(request({ signal, lookup: () => queueMicrotask(pass) })), {
      code: 'CLIENT_CONNECTION_FAILED',
      message: /^gw\.test:443 cannot be reached: its name cannot be resolved here .*mend DNS/,
    });
  });

  it('the name of a proxy for which DNS gives no answer', async () => {
    const { signal, pass } = deadline();
    const proxy = parseProxy('http://proxy.test:3128');
    await assert.rejects(openSocket(request({ signal, proxy, lookup: () => queueMicrotask(pass) })), {
      code: 'CLIENT_PROXY_FAILED',
      message: /^the proxy http:\/\/proxy\.test:3128 cannot be used: .*its name cannot be resolved here/,
    });
  });

  for (const scheme of ['http', 'https', 'socks5'])
    it(`a proxy that is silent (${scheme})`, async (t) => {
      const { signal, pass } = deadline();
      const proxy = parseProxy(`${scheme}://127.0.0.1:${await startSilent(t, pass)}`);
      await assert.rejects(openSocket(request({ signal, proxy })), {
        code: 'CLIENT_PROXY_FAILED',
        message: /^the proxy \S+ cannot be used: .* in time$/,
      });
    });

  it('but nothing where somebody wants it no more', async () => {
    const abort = new AbortController();
    const lookup = (): void => queueMicrotask(() => abort.abort(new Error('enough')));
    const proxy = parseProxy('http://proxy.test:3128');
    await assert.rejects(openSocket(request({ signal: abort.signal, proxy, lookup })), /enough/);
  });
});
