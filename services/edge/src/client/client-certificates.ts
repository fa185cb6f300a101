/**
 * What clients need of certificates, as this node tells them: which ones the destinations of their gateway name at the
 * client, in which revision, and the contents that a client asks for, as certstore sealed them to that client. The node
 * reads none of them.
 *
 *   tunnel up, route or revision changes ──► CONTROL certificates ──► client
 *   client ──► CONTROL materialWanted ──► certstore ──► CONTROL material, or materialRefused ──► client
 */
import {
  type CertificateReference,
  type Control,
  type Route,
  ServiceError,
  certificateReferencesMax,
  certificateUses,
} from '@postern/contracts';
import type { LineLimit, Logger } from '@postern/telemetry';
import { EdgeError, type MaterialCode } from '../errors.ts';
import { GatewayTurns } from '../gate/gateway-turns.ts';
import type { MaterialDesk } from '../certificate/material-desk.ts';
import type { Tunnel } from './tunnels.ts';

/** Questions of one client that wait at once; more are refused, and the client asks again. */
export const questionsPerTunnelMax = 4;
/** Questions of all clients of a gateway that certstore is asked at once; more wait. */
export const questionsPerGatewayMax = 8;

/** What it needs of the node. */
export interface ClientCertificatesParts {
  readonly desk: Pick<MaterialDesk, 'forClient'>;
  readonly revision: (id: string) => number | undefined;
  readonly tunnels: (gatewayId: string) => Iterable<Tunnel>;
  readonly logger: Logger;
  /** Clients cause refusals at will; their lines in the log are bounded. */
  readonly lines: LineLimit;
}

type Wanted = Extract<Control, { kind: 'materialWanted' }>;

/** One for the node. */
export class ClientCertificates {
  readonly #parts: ClientCertificatesParts;
  readonly #byRoute = new Map<string, { gatewayId: string; ids: readonly string[] }>();
  /** By gateway, how many places name which certificate. */
  readonly #byGateway = new Map<string, Map<string, number>>();
  readonly #gatewaysOf = new Map<string, Set<string>>();
  readonly #changed = new Set<string>();
  readonly #waiting = new WeakMap<Tunnel, number>();
  readonly #turns = new GatewayTurns(questionsPerGatewayMax);

  constructor(parts: ClientCertificatesParts) {
    this.#parts = parts;
  }

  /** A route is new or another; undefined when it is gone. */
  handleRoute(id: string, gatewayId: string, route: Route | undefined): void {
    const before = this.#byRoute.get(id);
    const ids = route === undefined ? [] : clientCertificates(route);
    if (ids.length === 0) this.#byRoute.delete(id);
    else this.#byRoute.set(id, { gatewayId, ids });
    for (const one of ids) this.#count(gatewayId, one, 1);
    for (const one of before?.ids ?? []) this.#count(before?.gatewayId ?? gatewayId, one, -1);
    if (ids.length > 0 || before !== undefined) this.#tellSoon(gatewayId);
  }

  /** certstore has other contents of a certificate. */
  handleRevision(id: string): void {
    for (const gatewayId of this.#gatewaysOf.get(id) ?? []) this.#tellSoon(gatewayId);
  }

  /** A tunnel is up. A client that was away may hold what nothing needs any more, so it is told of nothing too. */
  handleTunnel(tunnel: Tunnel): void {
    tunnel.session.sendControl(this.#list(tunnel.gatewayId));
  }

  /** A client asks. */
  async handleWanted(tunnel: Tunnel, { ids, sealingKey, signature }: Wanted): Promise<void> {
    const waiting = this.#waiting.get(tunnel) ?? 0;
    if (waiting >= questionsPerTunnelMax) {
      const busy: MaterialCode = 'EDGE_MATERIAL_BUSY';
      return this.#refuse(tunnel, ids, busy, 'this node is still asking for others: ask again');
    }
    this.#waiting.set(tunnel, waiting + 1);
    const { gatewayId, clientId, publicKey } = tunnel;
    try {
      const question = { ids, gatewayId, clientId, publicKey, sealingKey, sealingSignature: signature };
      const { items, refused } = await this.#turns.run(gatewayId, async () =>
        tunnel.session.closed ? { items: [], refused: [] } : this.#parts.desk.forClient(question),
      );
      for (const item of items) this.#send(tunnel, { kind: 'material', ...item });
      for (const refusal of refused) this.#send(tunnel, { kind: 'materialRefused', ...refusal });
    } catch (error) {
      const { code, message } = error instanceof EdgeError ? error : ServiceError.from(error);
      this.#noteFailure({ gatewayId, clientId, ids, code, error });
      this.#refuse(tunnel, ids, code, message);
    } finally {
      this.#waiting.set(tunnel, (this.#waiting.get(tunnel) ?? 1) - 1);
    }
  }

  #noteFailure(about: object): void {
    const more = this.#parts.lines.take();
    if (more === null) return;
    this.#parts.logger.warn({ ...about, ...more }, 'a client got no contents of certificates');
  }

  #refuse(tunnel: Tunnel, ids: readonly string[], code: string, message: string): void {
    for (const id of ids)
      this.#send(tunnel, { kind: 'materialRefused', id, code, message: message.slice(0, 1024) });
  }

  #send(tunnel: Tunnel, control: Control): void {
    if (!tunnel.session.closed) tunnel.session.sendControl(control);
  }

  #list(gatewayId: string): Extract<Control, { kind: 'certificates' }> {
    const items: CertificateReference[] = [];
    const ids = [...(this.#byGateway.get(gatewayId)?.keys() ?? [])];
    for (const id of ids) {
      const revision = this.#parts.revision(id);
      if (revision !== undefined && items.length < certificateReferencesMax) items.push({ id, revision });
    }
    return { kind: 'certificates', items, whole: items.length === ids.length };
  }

  /** Once a turn, however many routes changed in it. */
  #tellSoon(gatewayId: string): void {
    if (this.#changed.size === 0) setImmediate(() => this.#tell());
    this.#changed.add(gatewayId);
  }

  #tell(): void {
    for (const gatewayId of this.#changed) {
      for (const tunnel of this.#parts.tunnels(gatewayId)) this.#send(tunnel, this.#list(gatewayId));
    }
    this.#changed.clear();
  }

  #count(gatewayId: string, id: string, by: 1 | -1): void {
    const counts = this.#byGateway.get(gatewayId) ?? new Map<string, number>();
    const count = (counts.get(id) ?? 0) + by;
    const gateways = this.#gatewaysOf.get(id) ?? new Set<string>();
    if (count > 0) {
      this.#byGateway.set(gatewayId, counts.set(id, count));
      this.#gatewaysOf.set(id, gateways.add(gatewayId));
      return;
    }
    counts.delete(id);
    if (counts.size === 0) this.#byGateway.delete(gatewayId);
    gateways.delete(gatewayId);
    if (gateways.size === 0) this.#gatewaysOf.delete(id);
  }
}

function clientCertificates(route: Route): string[] {
  return certificateUses(route)
    .filter(({ holder }) => holder === 'client')
    .map(({ id }) => id);
}
