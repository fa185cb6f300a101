/** The static addresses by themselves, without the bits of their network that settings may give, and who holds them. */
import { SocketAddress, isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { ExitCode } from '@postern/config';
import { ExitError } from '@postern/telemetry';
import type { BalancerOptions } from './config.ts';

/** An address as the system writes it, whichever way a setting does; throws `ExitError` (78) when it is none. */
export function plainAddress(setting: string): SocketAddress {
  const address = setting.split('/')[0] ?? '';
  if (isIP(address) === 0) throw new ExitError(ExitCode.configuration, `not an address: ${setting}`);
  return new SocketAddress({ address, family: isIPv6(address) ? 'ipv6' : 'ipv4' });
}

/** The static addresses of the settings. All are of one family, or keepalived would not take them. */
export function staticAddresses({ virtualAddresses }: BalancerOptions): SocketAddress[] {
  return virtualAddresses.map((setting) => plainAddress(setting));
}

/** Which of the static addresses are on that interface now. */
export function addressesOn(device: string, options: BalancerOptions): SocketAddress[] {
  const there = new Set(networkInterfaces()[device]?.map(({ address }) => address));
  return staticAddresses(options).filter(({ address }) => there.has(address));
}
