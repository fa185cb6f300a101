/**
 * May this client dial it? Both lists must allow: the gateway's, as its nodes send it, and the file of this client's
 * owner where there is one. Asked for every stream on the host as configured, and again on the address that it
 * resolved to, where denials count.
 *
 * Of the lists that nodes sent the newest counts (`NewestList`). Before any list has come everything is denied.
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
import { type ListVersion, NewestList } from '../newest-list.ts';

interface SentList extends ListVersion {
  readonly list: AccessList;
}

/** The gateway's list as a node sends it. */
export interface SentRules extends ListVersion {
  readonly rules: readonly AccessRule[];
}

/** The access lists of one gateway as this client holds them. */
export class AccessGuard {
  readonly #sent = new NewestList<number, SentList>({ revision: -1, list: compileAccessList([]) });
  #own: AccessList | null = null;

  /** What the node of a tunnel sent. Throws AccessError when the rules cannot be read. */
  setGatewayList(tunnel: number, { epoch, revision, rules }: SentRules): void {
    this.#sent.tell(tunnel, { epoch, revision, list: compileAccessList(rules) });
  }

  /** The tunnel is gone. */
  forgetTunnel(tunnel: number): void {
    this.#sent.forget(tunnel);
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
    return this.#sent.current.revision;
  }

  /** Decides on the host as configured. */
  decide(target: AccessTarget): AccessDecision {
    return decideBoth(this.#sent.current.list, this.#own, target);
  }

  /** A denial on the address that the host resolved to; null when there is none. */
  denialOf(target: AccessTarget, address: string): AccessDecision | null {
    const atGateway = decideResolved(this.#sent.current.list, target, address);
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
}
