/**
 * May this client dial it? Both lists must allow: the gateway's, as its nodes send it, and the file of this client's
 * owner where there is one. Asked for every stream on the host as configured, and again on the address that it
 * resolved to, where denials count.
 *
 * Of the lists that the nodes of the open tunnels sent the newest counts, so that one node which lags behind cannot
 * bring back what was taken away. Before any list has come everything is denied.
 */
import {
  type AccessDecision,
  type AccessList,
  type AccessRule,
  type AccessTarget,
  compileAccessList,
  decide,
  decideBoth,
  decideResolved,
  fromList,
} from '@postern/access';

interface SentList {
  readonly revision: number;
  readonly list: AccessList;
}

const nothing: SentList = { revision: -1, list: compileAccessList([]) };

/** The access lists of one gateway as this client holds them. */
export class AccessGuard {
  readonly #sent = new Map<number, SentList>();
  #gateway: SentList = nothing;
  #own: AccessList | null = null;

  /** What the node of a tunnel sent. Throws AccessError when the rules cannot be read. */
  setGatewayList(tunnel: number, revision: number, rules: readonly AccessRule[]): void {
    this.#sent.set(tunnel, { revision, list: compileAccessList(rules) });
    this.#chooseNewest();
  }

  /** The tunnel is gone; its list counts no more unless it was the last. */
  forgetTunnel(tunnel: number): void {
    this.#sent.delete(tunnel);
    if (this.#sent.size > 0) this.#chooseNewest();
  }

  /** The owner's list; null for none. */
  setOwnList(list: AccessList | null): void {
    this.#own = list;
  }

  /** The owner's rules, as the platform is told them. */
  get ownRules(): readonly AccessRule[] | null {
    return this.#own?.rules ?? null;
  }

  /** The revision of the gateway's list that counts. */
  get revision(): number {
    return this.#gateway.revision;
  }

  /** Decides on the host as configured. */
  decide(target: AccessTarget): AccessDecision {
    return decideBoth(this.#gateway.list, this.#own, target);
  }

  /** A denial on the address that the host resolved to; null when there is none. */
  denialOf(target: AccessTarget, address: string): AccessDecision | null {
    const atGateway = decideResolved(this.#gateway.list, target, address);
    if (atGateway !== null) return fromList('gateway', atGateway);
    return this.#ownDenialOf(target, address);
  }

  /** A proxy on the way to a resource is the platform's choice; the owner's list, where there is one, must allow it. */
  denialOfProxy(proxy: AccessTarget): AccessDecision | null {
    if (this.#own === null) return null;
    const decision = fromList('client', decide(this.#own, proxy));
    return decision.allowed ? null : decision;
  }

  /** What the name of a proxy led to; of the gateway's list neither is asked. */
  denialOfProxyAddress(proxy: AccessTarget, address: string): AccessDecision | null {
    return this.#ownDenialOf(proxy, address);
  }

  /** An address that the destination gives for a name is the platform's choice too: the owner's list must allow it as it is. */
  denialOfGiven(target: AccessTarget): AccessDecision | null {
    return this.denialOfProxy(target);
  }

  #ownDenialOf(target: AccessTarget, address: string): AccessDecision | null {
    const denied = this.#own === null ? null : decideResolved(this.#own, target, address);
    return denied === null ? null : fromList('client', denied);
  }

  #chooseNewest(): void {
    let newest = nothing;
    for (const sent of this.#sent.values()) if (sent.revision > newest.revision) newest = sent;
    this.#gateway = newest;
  }
}
