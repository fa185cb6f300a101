/**
 * The rules of the system (nftables) by which connections outlive the move of their static address. Pure.
 *
 *   caller ──► new holder ── new, or one of its own ──► its haproxy
 *                 └───────── anything else ──► the machine that leaves, as the packet came (layer 2)
 *   caller ◄────────────────────────────────── its haproxy, from the static address
 *
 * The machine that leaves has the static address too then, and must tell nobody: it answers no question of ARP for it, and
 * asks none in its name. IPv6 needs no such rule, since it answers for the addresses of the interface asked only.
 */
import type { SocketAddress } from 'node:net';

/** Our tables, in whichever family. */
const table = 'postern_balancer';

/** What the new holder passes on to the machine that leaves: TCP to the static addresses that none of its own has. */
export function passOnRules(
  device: string,
  addresses: readonly SocketAddress[],
  leaver: SocketAddress,
): string {
  const family = familyOf(leaver);
  return replaced(family, [
    'chain arriving {',
    '    type filter hook prerouting priority raw',
    `    iifname "${device}" ${family} daddr ${setOf(addresses)} tcp flags & (syn | ack) != syn jump known`,
    '}',
    // Listeners have no address of their own; a connection has, from its first answer to what is left when it is over.
    'chain known {',
    '    socket wildcard 1 goto others',
    '    socket transparent { 0, 1 } accept',
    '    goto others',
    '}',
    'chain others {',
    `    dup to ${leaver.address} device "${device}" drop`,
    '}',
  ]);
}

/** Takes them back; nothing happens where there are none. */
export function withoutPassOnRules(addresses: readonly SocketAddress[]): string {
  return removed(familyOf(addresses[0]));
}

/** The machine that leaves is silent about the static addresses; what it must ask, it asks in its own name. */
export function silenceRules(addresses: readonly SocketAddress[], ownAddress: SocketAddress): string {
  if (familyOf(ownAddress) === 'ip6') return '';
  return replaced('arp', [
    'chain asked {',
    '    type filter hook input priority 0',
    `    arp daddr ip ${setOf(addresses)} drop`,
    '}',
    'chain asking {',
    '    type filter hook output priority 0',
    `    arp saddr ip ${setOf(addresses)} arp saddr ip set ${ownAddress.address}`,
    '}',
  ]);
}

/** Takes them back; nothing happens where there are none. */
export function withoutSilenceRules(addresses: readonly SocketAddress[]): string {
  return familyOf(addresses[0]) === 'ip6' ? '' : removed('arp');
}

type Family = 'ip' | 'ip6' | 'arp';

function familyOf(address: SocketAddress | undefined): 'ip' | 'ip6' {
  return address?.family === 'ipv6' ? 'ip6' : 'ip';
}

function setOf(addresses: readonly SocketAddress[]): string {
  return `{ ${addresses.map(({ address }) => address).join(', ')} }`;
}

/** One transaction, whatever was there before. */
function replaced(family: Family, lines: readonly string[]): string {
  return `${removed(family)}table ${family} ${table} {\n${lines.map((line) => `    ${line}\n`).join('')}}\n`;
}

function removed(family: Family): string {
  return `add table ${family} ${table}\ndelete table ${family} ${table}\n`;
}
