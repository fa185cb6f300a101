/** keepalived, which holds the static addresses together with the other machines. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@postern/telemetry';
import type { BalancerOptions } from './config.ts';
import { keepalivedConfiguration } from './keepalived-configuration.ts';
import { Supervised } from './supervised.ts';

/** Starts keepalived with the configuration that the options make. */
export function startKeepalived(options: BalancerOptions, logger: Logger): Supervised {
  const file = join(options.state, 'keepalived.conf');
  writeFileSync(file, keepalivedConfiguration(options), { mode: 0o600 });
  // One that was killed leaves these behind, and the next would take them for a sign that it is still running.
  const pidFiles = ['keepalived.pid', 'vrrp.pid', 'checkers.pid'].map((name) => join(options.state, name));
  for (const pidFile of pidFiles) rmSync(pidFile, { force: true });
  const [pid = '', vrrp = '', checkers = ''] = pidFiles;
  return new Supervised({
    name: 'keepalived',
    command: options.keepalived,
    args: ['-n', '-l', '-P', '-f', file, '-p', pid, '-r', vrrp, '-c', checkers],
    logger,
  });
}
