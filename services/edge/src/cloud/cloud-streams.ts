/**
 * Streams that clients open: an on-premises caller has dialled the client's `clientPort`, and this node dials the cloud
 * resource. The client has judged already; the node judges again, by what it knows itself, and takes nothing from the
 * client but the destination's ID and who calls.
 *
 *     OPEN ──► judged ──► dialling ──► joined ──► over
 *                 │           │           │ rules changed, gateway disabled, client ended, destination deleted
 *                 ▼           ▼           ▼
 *               refused    refused      reset
 *
 * A refusal with a code that says "nothing reached" lets the client try another node.
 */
import { type AccessList, decide, decideResolved, fromList } from '@postern/access';
import { CloudOpenMetadata, type Policy, type Route, dialTargetOf } from '@postern/contracts';
import {
  type DialStep,
  type DialingEnd,
  type MaterialSource,
  type Reached,
  type ResourceGuard,
  type ResourceHosts,
  type ResourceParts,
  reachResource,
} from '@postern/dial';
import { Shares } from '@postern/share';
import type { TraceSpan } from '@postern/telemetry';
import { type Compression, type Joined, Multimap, ResetCode, type Stream } from '@postern/tunnel';
import { Compile } from 'typebox/compile';
import { compressionFull, faultOf, outdated, whyCloudFull } from './cloud-causes.ts';
import type { CloudReach } from './cloud-reach.ts';
import type { FilePlaces } from '../gate/file-places.ts';
import { type CallerCause, causeOfReset, resetOf } from '../errors.ts';
import { type Target, judgeNew, judgeRunning } from '../access/judgement.ts';
import type { Refusals } from '../caller/refusals.ts';
import { accessListOf } from '../access/rulebook.ts';
import { type Traces, errorOf } from '../traces.ts';

const metadataCheck = Compile(CloudOpenMetadata);
const end: DialingEnd = {
  name: 'the node',
  nameRemedy: "mend DNS where the node runs, or give its address in the destination's hosts",
};

/** What they need of the node. */
export interface CloudStreamsParts {
  policy(gatewayId: string): Policy | undefined;
  route(destinationId: string): Route | undefined;
  /** For the resources of one gateway. */
  hosts(gatewayId: string): ResourceHosts;
  compression: Compression;
  files: FilePlaces;
  reach: CloudReach;
  /** Certificates for TLS to the resource. */
  material: MaterialSource;
  refusals: Refusals;
  /** Null where no traces are wanted. */
  traces: Traces | null;
  /** The most resources that are dialled at once. */
  dialsMax: number;
  /** The most streams at once, those that dial included. */
  streamsMax: number;
}

/** Counts since the start, of streams that are over; datagrams are counted when they are dropped. */
export interface CloudTotals {
  streams: number;
  bytesFromResources: number;
  bytesToResources: number;
  datagramsDropped: number;
}

interface Running {
  readonly stream: Stream;
  readonly route: Route;
  readonly metadata: CloudOpenMetadata;
  readonly span: TraceSpan | null;
  /** Gives up the dial; null once it has ended. */
  abort: AbortController | null;
  /** Where the resource was reached. */
  address: string | null;
  /** Why the node itself ended it. */
  cause: CallerCause | null;
}

/** All streams that clients opened to this node. */
export class CloudStreams {
  readonly #parts: CloudStreamsParts;
  readonly #running = new Multimap<Running>();
  readonly #totals = { streams: 0, bytesFromResources: 0, bytesToResources: 0, datagramsDropped: 0 };
  readonly #dialling: Shares;
  readonly #open: Shares;

  constructor(parts: CloudStreamsParts) {
    this.#parts = parts;
    this.#dialling = new Shares(parts.dialsMax);
    this.#open = new Shares(parts.streamsMax);
  }

  /** Those that are joined to a resource or dial one. */
  get size(): number {
    return this.#open.total;
  }

  get dialling(): number {
    return this.#dialling.total;
  }

  /** Counts since the start of streams that are over. */
  get totals(): CloudTotals {
    return { ...this.#totals };
  }

  /** Takes a stream that a client opened; resolves when it is over. Never rejects. */
  async serve(stream: Stream): Promise<void> {
    const { metadata } = stream;
    if (!metadataCheck.Check(metadata)) {
      stream.reset(ResetCode.Protocol, 'OPEN does not say which cloud destination is wanted');
      return;
    }
    const route = this.#parts.route(metadata.destinationId);
    if (route?.kind !== 'cloud' || route.gatewayId !== stream.scope) {
      // Nothing was reached: another node may have heard of it already.
      const text = 'EDGE_DESTINATION_DELETED: this node knows no such cloud destination of the gateway';
      stream.reset(ResetCode.Denied, text);
      return;
    }
    const { compression } = this.#parts;
    const isFull = metadata.compress !== undefined && !compression.hasRoomFor(stream.scope);
    const plain = metadata.compress === undefined || isFull ? stream : compression.wrap(stream);
    const span = this.#startSpan(route, metadata);
    const running: Running = {
      stream: plain,
      route,
      metadata,
      span,
      abort: null,
      address: null,
      cause: null,
    };
    const cause = isFull ? compressionFull : this.#whyNot(running);
    if (cause !== null) return this.#refuse(running, resetOf(cause), cause);
    const leaveFile = this.#parts.files.enter(route.gatewayId);
    if (typeof leaveFile !== 'function') return this.#refuse(running, resetOf(leaveFile), leaveFile);
    this.#running.add(route.gatewayId, running);
    this.#open.take(route.gatewayId);
    try {
      const reached = await this.#dial(running);
      if (reached !== null) await this.#join(running, reached);
    } finally {
      span?.end(errorOf(running.cause));
      this.#running.delete(route.gatewayId, running);
      this.#open.leave(route.gatewayId);
      leaveFile();
    }
  }

  /** How this node reaches what cloud destinations of a gateway name, judged by the gateway's list and the node's settings. */
  resource(gatewayId: string): Omit<ResourceParts, 'onStep'> {
    const hosts = this.#parts.hosts(gatewayId);
    return { guard: this.#guard(gatewayId), hosts, material: this.#parts.material, end };
  }

  /** A destination or gateway, or one of their rules, has changed. */
  judgeAgain(gatewayId: string): void {
    for (const running of this.#running.get(gatewayId)) {
      const { route, metadata, address } = running;
      const policy = this.#parts.policy(gatewayId);
      const now = this.#parts.route(route.id);
      const cause = judgeRunning(now, policy, metadata.caller, targetOf(route));
      if (cause !== null) this.#end(running, cause);
      else if (address !== null) {
        const denial = this.#guard(gatewayId).denialOf(targetOf(route), address);
        if (denial !== null) {
          this.#end(running, { code: 'EDGE_ACCESS_DENIED', text: denial.reason, end: 'edge' });
        }
      }
    }
  }

  /** Ends every stream of a client. */
  end(gatewayId: string, clientId: string, cause: CallerCause): void {
    for (const running of this.#running.get(gatewayId))
      if (running.stream.peer.id === clientId) this.#end(running, cause);
  }

  /** Another boot of a client has come up: the former one's callers are gone. */
  endFormerBoot(gatewayId: string, clientId: string, bootId: string): void {
    for (const running of this.#running.get(gatewayId)) {
      const { peer } = running.stream;
      if (peer.id !== clientId || peer.bootId === bootId) continue;
      const text = 'the client was started anew';
      this.#end(running, { code: 'EDGE_CLIENT_RESTARTED', text, end: 'client' }, ResetCode.Restarted);
    }
  }

  /** Resolves when the last one has gone, or the time is over. */
  drain(graceMs: number): Promise<void> {
    return this.#open.emptied(graceMs);
  }

  /** Ends all that are left. */
  close(cause: CallerCause): void {
    for (const running of this.#running.values()) this.#end(running, cause, ResetCode.ShuttingDown);
  }

  #whyNot({ route, metadata }: Running): CallerCause | null {
    const full = whyCloudFull(route.gatewayId, { open: this.#open, dialling: this.#dialling });
    if (full !== null) return full;
    const { protocol } = route.resource;
    if ((metadata.protocol ?? 'tcp') !== protocol) return outdated(`is ${protocol} now`);
    // A request's path was asked about for that resource, and no other.
    if (protocol === 'http' && !isFor(metadata.resource, route)) return outdated('has another resource now');
    return judgeNew(route, this.#parts.policy(route.gatewayId), metadata.caller, targetOf(route));
  }

  async #dial(running: Running): Promise<Reached | null> {
    const { stream, route } = running;
    const abort = new AbortController();
    running.abort = abort;
    this.#dialling.take(route.gatewayId);
    try {
      const { span } = running;
      const onStep =
        span === null
          ? {}
          : { onStep: ({ name, ok, ms, text }: DialStep) => span.event(name, { ok, ms, text }) };
      const parts = { ...this.resource(route.gatewayId), ...onStep };
      const target = { ...dialTargetOf(route.resource), ...targetOf(route) };
      const onDropped = (count: number): void => void (this.#totals.datagramsDropped += count);
      const reached = await reachResource(parts, target, stream, abort, onDropped);
      if (reached !== null) return reached;
    } catch (error) {
      this.#refuse(running, ...faultOf(error));
    } finally {
      running.abort = null;
      this.#dialling.leave(route.gatewayId);
    }
    if (running.cause !== null) this.#note(running, running.cause, 'a caller was turned away');
    return null;
  }

  async #join(running: Running, reached: Reached): Promise<void> {
    running.address = reached.address;
    const joined = reached.join();
    running.stream.accept();
    this.#totals.streams += 1;
    this.#account(running, await joined);
  }

  #account(running: Running, { received, sent, reset }: Joined): void {
    this.#totals.bytesFromResources += received;
    this.#totals.bytesToResources += sent;
    if (running.cause !== null) return this.#note(running, running.cause, 'a stream was cut');
    if (reset?.code === ResetCode.Refused)
      return this.#note(running, causeOfReset(reset.code, reset.text, true), 'a flow was cut');
    if (reset?.code === ResetCode.TlsFailed)
      return this.#note(running, causeOfReset(reset.code, reset.text, true), 'a stream was cut');
    // How callers and resources end their connections is theirs; a way that was lost is for the operator to know.
    if (reset?.code !== ResetCode.PathLost) return;
    this.#note(running, causeOfReset(reset.code, reset.text, true), 'a stream was cut');
  }

  #end(running: Running, cause: CallerCause, code: ResetCode = resetOf(cause)): void {
    running.cause = cause;
    running.stream.reset(code, `${cause.code}: ${cause.text}`);
  }

  #refuse(running: Running, code: ResetCode, cause: CallerCause): void {
    running.stream.reset(code, `${cause.code}: ${cause.text}`);
    running.span?.end(errorOf(cause));
    this.#note(running, cause, 'a caller was turned away');
  }

  #startSpan(route: Route, metadata: CloudOpenMetadata): TraceSpan | null {
    const { trackingId, caller } = metadata;
    const { host, port } = route.resource;
    return (
      this.#parts.traces?.startCloud(metadata, {
        'postern.gateway.id': route.gatewayId,
        'postern.destination.id': route.id,
        'postern.tracking_id': trackingId,
        'client.address': caller.address,
        'server.address': host,
        'server.port': port,
      }) ?? null
    );
  }

  #note({ route, metadata, span }: Running, cause: CallerCause, message: string): void {
    const { trackingId, caller } = metadata;
    const who = { destinationId: route.id, trackingId, address: caller };
    this.#parts.refusals.add(who, cause, message, span?.logFields);
  }

  /** Asked of the policy as it is then: it may change while a resource is dialled. */
  #guard(gatewayId: string): ResourceGuard {
    const listNow = (): AccessList | null => {
      const policy = this.#parts.policy(gatewayId);
      return policy === undefined ? null : accessListOf(policy);
    };
    return {
      decide: (target) => {
        const list = listNow();
        return list === null
          ? { allowed: false, rule: null, reason: 'the gateway is disabled or deleted' }
          : fromList('gateway', decide(list, target));
      },
      denialOf: (target, address) => {
        const list = listNow();
        const denied = list === null ? null : decideResolved(list, target, address);
        return denied === null ? this.#parts.reach(address) : fromList('gateway', denied);
      },
      denialOfProxyAddress: (_proxy, address) => this.#parts.reach(address),
    };
  }
}

/** What the lists are asked about: where requests follow, their paths are the client's to ask about, which reads them. */
function targetOf({ resource }: Route): Target {
  const { host, port, protocol } = resource;
  return protocol === 'http' ? { host, port, somePath: true } : { host, port };
}

function isFor(asked: CloudOpenMetadata['resource'], { resource }: Route): boolean {
  return asked?.host === resource.host && asked.port === resource.port;
}
