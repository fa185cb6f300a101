/**
 * The client as a service: one `GatewayClient` for each gateway, one identity for all, and the decision how the process
 * ends. It goes on while one gateway may still be served.
 *
 *   every gateway refused before its first tunnel ──► 77
 *   every gateway over, ended by the platform     ──► 0
 *   every gateway over otherwise                  ──► 69 (tries used up), 77 (refused)
 */
import type { AccessList } from '@postern/access';
import { ExitCode } from '@postern/config';
import {
  FileReserve,
  type Ending,
  type Logger,
  type Metrics,
  type Readiness,
  type Service,
  readyWhen,
  subsystemLogger,
} from '@postern/telemetry';
import { Compression } from '@postern/tunnel';
import { readAclFile } from './resource/acl-file.ts';
import type { ClientOptions, GatewayOptions } from './options.ts';
import { CaFile, fixedCa } from './platform/ca-file.ts';
import { Dialer } from './platform/dialer.ts';
import { errorText } from '@postern/dial';
import { GatewayClient } from './gateway-client.ts';
import type { GatewayEnd } from './gateway-options.ts';
import { type Identity, openIdentity } from './platform/identity.ts';
import { MaterialTrust } from './platform/material-trust.ts';
import { clientMetrics } from './metrics.ts';
import { SealingKey } from './platform/sealing-key.ts';
import type { TracingSource } from './traces.ts';

/** What the client is made with. */
export interface ClientParts {
  readonly options: ClientOptions;
  readonly version: string;
  readonly logger: Logger;
  /** Null where no traces are wanted. */
  readonly tracing?: TracingSource;
  readonly metrics?: Metrics;
  readonly ending: Pick<Ending, 'end'>;
  /** A gateway's first tunnel is up. */
  readonly onConnected: (gatewayId: string, clientId: string) => void;
}

/** The client; `reload` reads access-list and token files anew. */
export interface ClientService extends Service {
  reload(): void;
}

interface Member {
  readonly options: GatewayOptions;
  readonly client: GatewayClient;
  everUp: boolean;
  refused: string | null;
  end: GatewayEnd | null;
}

/** Makes the client. Throws ClientError when an access-list file cannot be used: a client that was given one never runs without. */
export function createClient(parts: ClientParts): ClientService {
  const lists = parts.options.gateways.map(({ aclFile }) => (aclFile === null ? null : readAclFile(aclFile)));
  return new Client(parts, lists);
}

class Client implements ClientService {
  readonly name = 'client';
  readonly #parts: ClientParts;
  readonly #logger: Logger;
  readonly #identity: Identity;
  readonly #sealing: { sealing: SealingKey; trust: MaterialTrust };
  readonly #compression = new Compression();
  readonly #files = new FileReserve();
  readonly #members: Member[];

  constructor(parts: ClientParts, lists: readonly (AccessList | null)[]) {
    const { options, logger } = parts;
    this.#parts = parts;
    this.#logger = subsystemLogger(logger, 'client');
    this.#identity = openIdentity(options.state);
    if (this.#identity.file === null) {
      this.#logger.warn(
        { folder: options.state, cause: errorText(this.#identity.fault) },
        'the state folder cannot be used: this client has a new ID at each start',
      );
    }
    const ca =
      options.ca === null ? fixedCa(null) : new CaFile(options.ca.file, options.ca.pem, this.#logger);
    this.#sealing = { sealing: new SealingKey(this.#identity), trust: new MaterialTrust(ca) };
    const dialer = new Dialer({ ...options, ca });
    this.#members = options.gateways.map((gateway, index) =>
      this.#makeMember(gateway, lists[index] ?? null, dialer),
    );
    if (parts.metrics !== undefined)
      clientMetrics(parts.metrics, () => this.#members.map(({ client }) => client.counts()));
  }

  async start(): Promise<void> {
    for (const { client } of this.#members) client.start();
  }

  ready(): Readiness {
    return readyWhen(
      Object.fromEntries(
        this.#members.map(({ options, client }) => [`gateway ${options.id}`, client.tunnelCount === 0]),
      ),
    );
  }

  status(): unknown {
    return { gateways: this.#members.map(({ client }) => client.status()) };
  }

  reload(): void {
    for (const { options, client } of this.#members) {
      client.checkToken();
      if (options.aclFile === null) continue;
      try {
        const list = readAclFile(options.aclFile);
        client.setOwnList(list);
        this.#logger.info(
          { gatewayId: options.id, file: options.aclFile, rules: list.rules.length },
          'the access-list file was read anew',
        );
      } catch (error) {
        this.#logger.error(
          { gatewayId: options.id, error },
          'the access-list file was not taken; the former rules stay',
        );
      }
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map(({ client }) => client.stop()));
    this.#logger.info({ status: this.status() }, 'all tunnels are closed');
    this.#identity.close();
  }

  #makeMember(gateway: GatewayOptions, ownList: AccessList | null, dialer: Dialer): Member {
    const { options, version, logger, tracing = () => null, onConnected } = this.#parts;
    const member: Member = {
      options: gateway,
      everUp: false,
      refused: null,
      end: null,
      client: new GatewayClient({
        ...options,
        gatewayId: gateway.id,
        readToken: gateway.readToken,
        ownList,
        identity: this.#identity,
        sealing: this.#sealing,
        facts: {
          name: options.name,
          version,
          platform: `${process.platform} ${process.arch} node ${process.versions.node}`,
        },
        dialer,
        compression: this.#compression,
        files: this.#files,
        tracing,
        memoryShare: 1 / options.gateways.length,
        logger: logger.child({ gatewayId: gateway.id }, { level: gateway.logLevel }),
        onConnected: (clientId) => {
          member.everUp = true;
          onConnected(gateway.id, clientId);
        },
        onRefused: (reason) => {
          member.refused = reason;
          this.#judge();
        },
        onEnd: (end) => this.#handleEnd(member, end),
      }),
    };
    return member;
  }

  #handleEnd(member: Member, end: GatewayEnd): void {
    if (member.end !== null) return;
    member.end = end;
    if (end.kind === 'usedUp') this.#logger.error({ gatewayId: member.options.id }, end.reason);
    // The others go on.
    member.client.kill();
    this.#judge();
  }

  /** Ends the process when no gateway is left that may still be served. */
  #judge(): void {
    const isRefused = ({ everUp, refused }: Member): boolean => !everUp && refused !== null;
    const members = this.#members;
    if (members.some((member) => member.end === null && !isRefused(member))) return;
    const { ending } = this.#parts;
    const refusal = members.find(isRefused);
    if (refusal !== undefined) return ending.end(ExitCode.refused, refusal.refused ?? 'refused');
    const usedUp = members.find(({ end }) => end?.kind === 'usedUp');
    if (usedUp !== undefined) return ending.end(ExitCode.unavailable, usedUp.end?.reason ?? 'tries used up');
    ending.end(ExitCode.ok, members[0]?.end?.reason ?? 'ended by the platform');
  }
}
