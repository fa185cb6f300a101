/**
 * The balancers in front of the nodes whose word is taken on who calls, and the ports on which they must give it. A
 * PROXY header is read from these addresses on these ports, where it is required, and nowhere else: from anybody else
 * it is what any first bytes are.
 */
import {
  type PortRange,
  type SourceRules,
  compileSourceRules,
  decideSource,
  parsePortRange,
} from '@postern/access';
import type { EdgeOptions } from './config.ts';

/** Who they are; refuses settings that are none. */
export class Balancers {
  readonly #sources: SourceRules;
  readonly #ports: readonly PortRange[];

  constructor({
    trustedBalancers,
    proxyProtocolPorts,
  }: Pick<EdgeOptions, 'trustedBalancers' | 'proxyProtocolPorts'>) {
    this.#sources = compileSourceRules(
      true,
      trustedBalancers.map((source) => ({ source })),
    );
    this.#ports = proxyProtocolPorts.map((text) => {
      const range = parsePortRange(text);
      if (range === null)
        throw new Error(`the setting proxyProtocolPorts has ${text}, which is no port or range`);
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
    return decideSource(this.#sources, { address, port: 1 }).allowed;
  }
}
