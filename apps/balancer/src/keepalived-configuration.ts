/**
 * keepalived's configuration: one VRRP instance for all static addresses. Both machines start as backup and neither takes
 * the addresses back from the other (`nopreempt`), so they move only when their holder is gone.
 */
import type { BalancerOptions } from './config.ts';

/** The text of `keepalived.conf`. */
export function keepalivedConfiguration(options: BalancerOptions): string {
  const { interface: device, routerId, priority, advertiseMs, ownAddress, peers, virtualAddresses } = options;
  const block = (name: string, items: readonly string[]): string[] =>
    items.length === 0 ? [] : [`    ${name} {`, ...items.map((item) => `        ${item}`), '    }'];
  return [
    '# Made by postern-balancer: what is changed here is overwritten.',
    'global_defs {',
    '    vrrp_version 3',
    '    vrrp_garp_master_delay 1',
    '    vrrp_garp_master_refresh 30',
    '}',
    'vrrp_instance postern {',
    '    state BACKUP',
    '    nopreempt',
    `    interface ${device}`,
    `    virtual_router_id ${routerId}`,
    `    priority ${priority}`,
    `    advert_int ${(advertiseMs / 1000).toFixed(2)}`,
    ...(ownAddress === undefined || peers.length === 0 ? [] : [`    unicast_src_ip ${ownAddress}`]),
    ...block('unicast_peer', peers),
    ...block(
      'virtual_ipaddress',
      virtualAddresses.map((address) => `${address} dev ${device}`),
    ),
    '}',
    '',
  ].join('\n');
}
