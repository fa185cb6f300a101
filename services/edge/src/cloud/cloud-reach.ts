/**
 * Which addresses this node dials for cloud destinations. Whoever may make a destination must not thereby reach what only
 * this machine or its control network is to reach: the node's own services, at which callers would have the node's
 * address, metadata servers, and what the operator lists. Asked on addresses after names are resolved, so that no name leads around it.
 */
import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type AccessDecision, parseAddress, reachedBy } from '@postern/access';
import { ExitCode } from '@postern/config';
import { ExitError } from '@postern/telemetry';

/** The settings that shape it. */
export interface CloudReachOptions {
  cloudLocal: boolean;
  cloudDenied: readonly string[];
}

/** A denial of an address, or null where it may be dialled. */
export type CloudReach = (address: string) => AccessDecision | null;

/** This machine's loopback, "this network", link-local, and groups that no connection can have. */
const localBlocks: readonly [network: string, prefix: number][] = [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 4],
  ['255.255.255.255', 32],
  ['::', 128],
  ['::1', 128],
  ['fe80::', 10],
  ['ff00::', 8],
  // Metadata servers of clouds that are not link-local.
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['192.0.0.192', 32],
  ['fd00:ec2::254', 128],
  ['fd20:ce::254', 128],
  ['fd00:c1::a9fe:a9fe', 128],
  ['fd00:42::42', 128],
];

/** Makes it of the settings. Throws `ExitError` (78) that names the entry when one is no address and no block. */
export function cloudReach({ cloudLocal, cloudDenied }: CloudReachOptions): CloudReach {
  const local = new BlockList();
  if (!cloudLocal) for (const [network, prefix] of localBlocks) add(local, network, prefix);
  const denied = new BlockList();
  for (const text of cloudDenied) addText(denied, text);
  return (address) => {
    const bare = address.split('%')[0] ?? '';
    const parsed = parseAddress(bare);
    const reached = parsed === null ? null : reachedBy(parsed);
    const forms = reached === null ? [bare] : [bare, reached.text];
    const isIn = (list: BlockList): boolean =>
      forms.some((form) => list.check(form, isIP(form) === 6 ? 'ipv6' : 'ipv4'));
    if (isIn(local) || (!cloudLocal && isIn(ownAddresses()))) {
      return denial(
        `${address} is this machine, link-local or a metadata server; nodes dial those only with cloudLocal`,
      );
    }
    return isIn(denied) ? denial(`${address} is in cloudDenied of this node`) : null;
  };
}

/** The addresses of this machine now: one that it shares with another, or is given by DHCP, comes and goes. */
function ownAddresses(): BlockList {
  const own = new BlockList();
  for (const { address: text = '' } of Object.values(networkInterfaces()).flatMap((all) => all ?? [])) {
    const bare = text.split('%')[0] ?? '';
    if (isIP(bare) !== 0) own.addAddress(bare, isIP(bare) === 6 ? 'ipv6' : 'ipv4');
  }
  return own;
}

function denial(reason: string): AccessDecision {
  return { allowed: false, rule: null, reason: `the node's settings: ${reason}` };
}

function addText(list: BlockList, text: string): void {
  const [network = '', prefix] = text.split('/');
  const bits = isIP(network) === 6 ? 128 : 32;
  const length = prefix === undefined ? bits : Number(prefix);
  if (isIP(network) === 0 || !Number.isInteger(length) || length < 0 || length > bits) {
    throw new ExitError(
      ExitCode.configuration,
      `the setting cloudDenied: an address or a block such as 10.0.0.0/24, not ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
  add(list, network, length);
}

function add(list: BlockList, network: string, prefix: number): void {
  list.addSubnet(network, prefix, isIP(network) === 6 ? 'ipv6' : 'ipv4');
}
