/**
 * The balancers in front of the nodes whose word is taken on who calls, and the ports on which they must give it. A
 * PROXY header is read from these addresses on these ports, where it is required, and nowhere else: from anybody else
 * it is what any first bytes are.
 */
import {
  AccessError,
  type PortRange,
  type SourceRules,
  compileSourceRules,
  decideSource,
  parsePortRange,
} from '@postern/access';
import { ExitCode } from '@postern/config';
import { ExitError } from '@postern/telemetry';
import type { EdgeOptions } from './config.ts';

/** Who they are. Throws `ExitError` (78) for settings that are none. */
export class Balancers {
  readonly #sources: readonly SourceRules[];
  readonly #ports: readonly PortRange[];

  constructor({
    trustedBalancers,
    proxyProtocolPorts,
  }: Pick<EdgeOptions, 'trustedBalancers' | 'proxyProtocolPorts'>) {
    this.#sources = trustedBalancers.map(compileSource);
    this.#ports = proxyProtocolPorts.map((text) => {
      const range = parsePortRange(text);
      if (range === null) throw unusable(`proxyProtocolPorts has ${text}, which is no port or range`);
      return range;
    });
  }

  /** Whether a connection from this address to this port begins with a PROXY header. */
  introduce(address: string, port: number): boolean {
    return this.#ports.some(({ from, to }) => port >= from && port <= to) && this.trusts(address);
  }

  /** Whether what this address says of its own callers is taken. */
  trusts(address: string): boolean {
    // Of the rules only the address counts; a port there must be one.
    return this.#sources.some((source) => decideSource(source, { address, port: 1 }).allowed);
  }
}

function compileSource(source: string): SourceRules {
  try {
    return compileSourceRules(true, [{ source }]);
  } catch (error) {
    if (!(error instanceof AccessError)) throw error;
    throw unusable(`trustedBalancers has ${source}, which is no address, block (CIDR) or range of addresses`);
  }
}

function unusable(text: string): ExitError {
  return new ExitError(ExitCode.configuration, `the setting ${text}`);
}
