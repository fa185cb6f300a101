/** A real DNS server (dnsmasq) with records of its own, on UDP and TCP of one port; it asks no other server. */
import { tool } from '@postern/scripts/install';
import { type ProcessResource, startResource } from './resource.ts';

/** Resolves when it answers. `lines` are lines of its configuration. */
export function startDns(lines: readonly string[]): Promise<ProcessResource> {
  return startResource('dns', async ({ port, file }) => {
    const own = [`port=${port}`, 'listen-address=127.0.0.1', 'bind-interfaces', 'no-resolv', 'no-hosts'];
    // Answers of any size by UDP, as those who ask allow it.
    const text = [...own, 'edns-packet-max=65000', 'no-daemon', 'log-facility=-', 'pid-file=', ...lines].join(
      '\n',
    );
    return {
      command: tool('dnsmasq'),
      args: [`--conf-file=${await file('dnsmasq.conf', `${text}\n`)}`],
      ready: { host: '127.0.0.1', port },
    };
  });
}
