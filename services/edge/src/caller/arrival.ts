/**
 * One connection on its way in: what is known of it so far, its pass of a gate, and what was read of it, which goes on with
 * it. What it may do is for the entrance to say.
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { FrontRoute } from '@postern/contracts';
import { adoptSocket, resetSocket } from '@postern/tunnel';
import type { AcceptedCaller, CallerTls, NamelessCaller } from './accepted-caller.ts';
import { TurnedAway, turnedAway } from '../errors.ts';
import type { FirstBytes } from '../gate/first-bytes.ts';
import type { Eviction, HandshakeGate, Pass } from '../gate/handshake-gate.ts';
import type { CallerAddress } from '../access/judgement.ts';
import { type SocketName, readProxyHeader } from '../gate/proxy-header.ts';
import { readSocketHead } from '../gate/socket-head.ts';
import type { EndedTls } from './tls-ends.ts';

const nothing = Buffer.alloc(0);
/** Questions about encryption that a PostgreSQL client may ask before its ClientHello. */
const questionsMax = 2;
const evictionTexts: Readonly<Record<Eviction, string>> = {
  timeout: 'the caller did not show in time what it is for',
  full: 'too many callers have not shown yet what they are for',
  'address full': 'too many callers from this address have not shown yet what they are for',
  'gateway full': 'too many callers of the gateway have not shown yet what they are for',
};

/** One connection on its way in. */
export class Arrival {
  readonly trackingId = randomUUID();
  readonly arrivedAt = Date.now();
  readonly socket: Socket;
  /** It comes from a balancer that must say who calls. */
  readonly introduced: boolean;
  address: CallerAddress;
  called: SocketName;
  serverName: string | null = null;
  route: FrontRoute | null = null;
  /** A question was answered in plain text, so that what follows is no pipe that can be passed on whole. */
  answered = false;
  leave: (() => void) | null = null;
  /** Why the gate cut it. */
  cut: TurnedAway | null = null;
  #pass: Pass | null = null;
  /** What was read of it already. */
  #head: Buffer = nothing;
  #isKnown: boolean;

  constructor(accepted: Socket, introduced: boolean) {
    this.introduced = introduced;
    this.#isKnown = !introduced;
    this.address = { address: accepted.remoteAddress ?? '', port: accepted.remotePort ?? 0 };
    this.called = { address: accepted.localAddress ?? '', port: accepted.localPort ?? 0 };
    adoptSocket(accepted);
    accepted.on('error', () => {});
    this.socket = accepted;
  }

  /** Enters a gate, and leaves the former one. A balancer's address says nothing of who calls, so it has no share. */
  pass(gate: HandshakeGate): void {
    this.#pass?.leave();
    const cut = (eviction: Eviction): void => {
      this.cut ??= turnedAway('EDGE_CALLER_SILENT', evictionTexts[eviction]);
      resetSocket(this.socket);
    };
    this.#pass = gate.enter(this.#isKnown ? this.address.address : null, cut, this.route?.gatewayId);
  }

  /** Enters a gate, and once more by the caller's own address where a balancer has to say that. */
  async passAsWhoCalls(gate: HandshakeGate): Promise<void> {
    this.pass(gate);
    if (!this.introduced) return;
    await this.readIntroduction();
    this.pass(gate);
  }

  /** Reads who calls from the balancer; the balancer itself does where that gives no address. */
  async readIntroduction(): Promise<void> {
    const read = await readSocketHead(this.socket, nothing, (bytes) => {
      const answer = readProxyHeader(bytes);
      return answer.kind === 'partial' ? null : answer;
    });
    if (read === null) throw this.cut ?? new TurnedAway(null);
    const { found, head } = read;
    if (found.kind === 'invalid')
      throw turnedAway(
        'EDGE_PROXY_HEADER',
        `the balancer ${this.address.address} must say who calls: ${found.fault}`,
      );
    this.#head = head.subarray(found.bytes);
    this.#isKnown = true;
    if (found.ends === null) return;
    this.address = found.ends.source;
    this.called = found.ends.destination;
  }

  /** What the caller begins with, its questions about encryption answered. */
  async readFirst(
    look: (bytes: Buffer) => FirstBytes | null,
  ): Promise<Exclude<FirstBytes, { kind: 'postgres' }>> {
    for (let asked = 0; asked <= questionsMax; asked += 1) {
      const read = await readSocketHead(this.socket, this.#head, look);
      if (read === null) throw this.cut ?? new TurnedAway(null);
      this.#head = read.head;
      if (read.found.kind !== 'postgres') return read.found;
      this.#head = nothing;
      this.answered = true;
      this.socket.write(read.found.answer);
    }
    throw turnedAway('EDGE_TLS_HANDSHAKE', 'the caller asks for encryption again and again');
  }

  leaveGate(): void {
    this.#pass?.leave();
    this.#pass = null;
  }

  /** The pass is somebody else's from now on. */
  handOverPass(): Pass {
    const pass = this.#pass ?? { leave: () => {} };
    this.#pass = null;
    return pass;
  }

  /** What was read is unread again, for TLS on top of the socket. */
  giveBack(): void {
    if (this.#head.length > 0) this.socket.unshift(this.#head);
    this.#head = nothing;
  }

  accept(route: FrontRoute, ended: EndedTls | null): AcceptedCaller {
    return { ...this.acceptNameless(ended), route };
  }

  acceptNameless(ended: EndedTls | null): NamelessCaller {
    const { trackingId, arrivedAt, address, called, introduced, serverName } = this;
    const leave = this.leave ?? (() => {});
    const tls: CallerTls | null = ended?.tls ?? null;
    return {
      trackingId,
      arrivedAt,
      address,
      called,
      throughBalancer: introduced,
      serverName: ended?.serverName ?? serverName,
      tls,
      socket: ended?.socket ?? this.socket,
      head: this.#head,
      leave,
    };
  }
}
