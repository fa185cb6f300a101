import { test } from 'node:test';
import { ask, catchUpAtNode } from '@postern/contracts';
import { resourceOf } from '../fixture/documents.ts';
import { answered, withHttp } from '../fixture/http-world.ts';
import { until } from '../fixture/node.ts';

test('kept connections are ended in order when the contents of a certificate by which they came about are replaced', () =>
  withHttp(
    async (world) => {
      const { tls } = resourceOf();
      const contents = { kind: 'ca', subject: 'CN=x', fingerprint: 'f', hasKey: false } as const;
      const until2027 = { ...contents, notBefore: '2026-01-01', notAfter: '2027-01-01' };
      world.platform.setCertificate({ id: 'ca', contentRevision: 1, ...until2027 });
      world.setRoute({
        resource: resourceOf({
          host: '127.0.0.1',
          port: world.resourcePort,
          protocol: 'http',
          tls: { ...tls, caCertificateIds: ['ca'] },
        }),
      });
      await ask(world.platform.bus, catchUpAtNode, {}, { suffix: 'edge-1' });
      const { end } = await answered(world);
      world.platform.setCertificate({ id: 'ca', contentRevision: 2, ...until2027 });
      await until(() => end.ended);
    },
    { options: { httpResourceKeepAliveMs: 3_600_000 } },
  ));

test('kept connections to what the resource was are ended in order', () =>
  withHttp(
    async (world) => {
      const { end } = await answered(world);
      const { resourcePort: port } = world;
      world.setRoute({
        resource: resourceOf({ host: '127.0.0.1', port, protocol: 'http', idleTimeoutSeconds: 9 }),
      });
      await until(() => end.ended);
    },
    { options: { httpResourceKeepAliveMs: 3_600_000 } },
  ));
