import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { tryResource } from './trial.ts';

const parts = {
  guard: { decide: () => ({ allowed: true, rule: null, reason: 'all' }), denialOf: () => null },
  hosts: { resolve: async () => ['127.0.0.1'] },
  end: { name: 'the client', nameRemedy: 'mend it' },
  material: async () => [],
};

it('a trial tells every step, asks for its path, and leaves nothing open', async (t) => {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url, request.headers.host);
    response.writeHead(request.url === '/well' ? 200 : 503).end('x'.repeat(100_000));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const target = { host: 'app.corp', port, connectTimeoutSeconds: 5 };
  const trial = (path: string) => ({
    target,
    http: { host: 'app.corp', path },
    isWell: (status: number) => status < 400,
  });
  const well = await tryResource(parts, trial('/well'), AbortSignal.timeout(5_000));
  assert.deepEqual(
    well.map(({ name, ok }) => [name, ok]),
    [
      ['access list', true],
      ['resolve', true],
      ['connect', true],
      ['HTTP', true],
    ],
  );
  const ill = await tryResource(parts, trial('/ill'), AbortSignal.timeout(5_000));
  assert.deepEqual([ill.at(-1)?.ok, ill.at(-1)?.text], [false, '/ill was answered with 503']);
  assert.deepEqual(asked, ['/well', `app.corp:${port}`, '/ill', `app.corp:${port}`]);
  const closed = once(server, 'close');
  server.close();
  await closed;
});
