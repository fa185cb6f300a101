/** The names that a front may have: addresses, and what DNS and certificates can have; resources are named as their networks do. */
import { isIP } from 'node:net';
import { isHost } from '@postern/access';

/** What is wrong with a host that is none. */
export const noFrontHost =
  'is no address and no host name: a name has at most 253 characters, each label 1 to 63 letters, digits and "-" ' +
  'that neither begin nor end with "-", and "*" only as the first label of a front that is told apart by name';

/** Whether a front may have this host. `*.example.com` only `isByName`: a server name or a Host is held against it then. */
export function isFrontHost(host: string, isByName: boolean): boolean {
  if (isIP(host) !== 0) return isHost(host);
  if (isName(host)) return true;
  const rest = host.startsWith('*.') ? host.slice(2) : '';
  return isByName && rest.includes('.') && isIP(rest) === 0 && isName(rest);
}

function isName(host: string): boolean {
  return isHost(host) && host.split('.').every((label) => !/^-|-$/.test(label));
}
