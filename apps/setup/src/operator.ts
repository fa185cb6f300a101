/** The step once certstore runs: the platform's CA and `operator.json`, which the command line takes (`--operator-file`). */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Bus, connectNats } from '@postern/bus';
import { ask, getCa } from '@postern/contracts';
import type { SetupSettings } from './config.ts';
import { SetupError } from './errors.ts';
import { SecretFolder } from './secret-folder.ts';

const askMs = 3_000;
const pauseMs = 500;

/** Writes them; returns what an operator wants to read first. */
export async function writeOperatorFiles(settings: SetupSettings): Promise<string> {
  const { folder, natsHosts, adminUrl, withinMs, serviceUid } = settings;
  const own = join(folder, 'setup');
  const operator = new SecretFolder(folder, 'operator', serviceUid);
  const bus = await connectNats({
    servers: natsHosts.map((host) => `tls://${host}:4222`).join(),
    name: 'postern-setup',
    tls: { caFile: join(own, 'ca.pem') },
    nkeySeedFile: join(own, 'nats.seed'),
    signal: AbortSignal.timeout(withinMs),
    onError: () => {},
  });
  try {
    operator.write('ca.pem', await platformCa(bus, Date.now() + withinMs));
  } finally {
    await bus.close();
  }
  const apiKey = operator.read('api-key');
  const file = { adminUrl, apiKey, caFile: join(operator.path, 'ca.pem') };
  operator.write('operator.json', `${JSON.stringify(file, null, 2)}\n`);
  return `dashboard and API: ${adminUrl}\nfirst API key: run the step key, or read ${join(operator.path, 'api-key')}`;
}

/** certstore may be starting, or nobody serve yet what is asked: it is asked again until the deadline. */
async function platformCa(bus: Bus, deadline: number): Promise<string> {
  for (;;) {
    try {
      return (await ask(bus, getCa, {}, { deadlineMs: askMs })).pem;
    } catch (cause) {
      if (Date.now() > deadline) {
        const words = 'certstore did not say which CA the platform has';
        throw new SetupError('SETUP_SERVER_UNREACHABLE', words, { cause });
      }
    }
    await delay(pauseMs);
  }
}

/** The first API key. */
export function readFirstKey({ folder, serviceUid }: SetupSettings): string {
  return new SecretFolder(folder, 'operator', serviceUid).read('api-key');
}
