/**
 * What this node asks of a client and waits for: a test of a resource, a ping. Question and answer are CONTROL frames
 * with an ID of this node's; an answer is taken only from the tunnel that was asked. Bounded in number and time, of which
 * one gateway has half.
 */
import { randomUUID } from 'node:crypto';
import {
  type Control,
  type DialTarget,
  type HttpAsk,
  ServiceError,
  type TestStep,
  featuresLacking,
  featuresToDial,
  testConnectSecondsMax,
  testGraceMs,
} from '@postern/contracts';
import { type Full, Shares } from '@postern/share';
import type { Tunnel, Tunnels } from './tunnels.ts';
import { outdated } from '../upstream.ts';

/** Tests and pings at once: each holds one of the questions on the bus (`answersMax` of libs/bus), of which the rest is left for changes, other nodes and operators. */
export const callsMax = 256;
/** Clients at once of which it is waited for that they take a list. */
const listsMax = 1_024;
const pingDeadlineMs = 5_000;
/** How long a client may take to follow before nobody waits for it: a distant one, or one whose tunnel is dead. */
const takeDeadlineMs = 500;

type Answer = Extract<Control, { kind: 'tested' | 'pong' }>;

interface Question {
  readonly tunnel: Tunnel;
  readonly kind: Answer['kind'];
  readonly resolve: (answer: Answer | null) => void;
}

/** One for the node. */
export class ClientDesk {
  readonly #tunnels: Tunnels;
  readonly #questions = new Map<string, Question>();
  readonly #calls = new Shares(callsMax);
  readonly #lists = new Shares(listsMax);

  constructor(tunnels: Tunnels) {
    this.#tunnels = tunnels;
  }

  /** Has a client dial a resource. Throws `EDGE_CLIENT_UNKNOWN`, `EDGE_CLIENT_OUTDATED`, `EDGE_CLIENT_SILENT` or `EDGE_QUESTIONS_FULL`. */
  async test(
    who: { gatewayId: string; clientId: string },
    what: { target: DialTarget; http: HttpAsk | null },
  ): Promise<TestStep[]> {
    const tunnel = this.#quietest(who);
    const lacking = featuresLacking(featuresToDial(what.target), tunnel.features);
    if (lacking.length > 0) {
      const { code, text } = outdated(who.clientId, lacking);
      throw new ServiceError({ code, message: text, status: 409 });
    }
    const answer = await this.#inPlace(who.gatewayId, () =>
      this.#ask(
        tunnel,
        'tested',
        (id) => ({ kind: 'test', id, ...what }),
        testConnectSecondsMax * 1000 + testGraceMs,
      ),
    );
    if (answer?.kind === 'tested') return answer.steps;
    throw new ServiceError({
      code: 'EDGE_CLIENT_SILENT',
      message: `client ${who.clientId} gave no answer; a client of an earlier version cannot test`,
      status: 504,
    });
  }

  /** The round trip over each of a client's tunnels here, by a question that the client answers; null for no answer. */
  async ping(who: { gatewayId: string; clientId: string }): Promise<{ id: string; ms: number | null }[]> {
    const tunnels = this.#tunnels.ofClient(who.gatewayId, who.clientId);
    return this.#inPlace(who.gatewayId, () => Promise.all(tunnels.map((tunnel) => this.#ping(tunnel))));
  }

  /** Resolves when a client has taken what it was told over a tunnel so far, and otherwise after half a second. */
  async untilTaken(tunnel: Tunnel): Promise<void> {
    const { gatewayId } = tunnel;
    if (this.#lists.whyFull(gatewayId) !== null) return;
    await this.#lists.during(gatewayId, () => this.#askPing(tunnel, takeDeadlineMs));
  }

  /** A client answers; false when the frame is about something else. */
  handleControl(tunnel: Tunnel, body: Control): boolean {
    if (body.kind !== 'tested' && body.kind !== 'pong') return false;
    const question = this.#questions.get(body.id);
    if (question?.tunnel === tunnel && question.kind === body.kind) question.resolve(body);
    return true;
  }

  async #ping(tunnel: Tunnel): Promise<{ id: string; ms: number | null }> {
    const since = performance.now();
    const answer = await this.#askPing(tunnel, pingDeadlineMs);
    const ms = Math.round((performance.now() - since) * 100) / 100;
    return { id: tunnel.id, ms: answer === null ? null : ms };
  }

  async #inPlace<Result>(gatewayId: string, work: () => Promise<Result>): Promise<Result> {
    const full = this.#calls.whyFull(gatewayId);
    if (full !== null) throw questionsFull(full);
    return this.#calls.during(gatewayId, work);
  }

  #askPing(tunnel: Tunnel, deadlineMs: number): Promise<Answer | null> {
    return this.#ask(tunnel, 'pong', (id) => ({ kind: 'ping', id }), deadlineMs);
  }

  #quietest({ gatewayId, clientId }: { gatewayId: string; clientId: string }): Tunnel {
    const usable = this.#tunnels.ofClient(gatewayId, clientId).filter((tunnel) => tunnel.usable);
    const [best] = usable.toSorted((a, b) => a.streamCount - b.streamCount);
    if (best !== undefined) return best;
    throw new ServiceError({
      code: 'EDGE_CLIENT_UNKNOWN',
      message: `client ${clientId} has no tunnel here`,
      status: 404,
    });
  }

  async #ask(
    tunnel: Tunnel,
    kind: Answer['kind'],
    make: (id: string) => Control,
    deadlineMs: number,
  ): Promise<Answer | null> {
    const id = randomUUID();
    const { promise, resolve } = Promise.withResolvers<Answer | null>();
    this.#questions.set(id, { tunnel, kind, resolve });
    const timer = setTimeout(() => resolve(null), deadlineMs);
    try {
      tunnel.session.sendControl(make(id));
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#questions.delete(id);
    }
  }
}

/** Why a test or a ping is not begun. */
export function questionsFull(full: Full): ServiceError {
  const message =
    full === 'full'
      ? 'this node waits for as many tests and pings as it may: try again in a while'
      : 'this node waits for as many tests and pings of this gateway as it may: try again in a while';
  return new ServiceError({ code: 'EDGE_QUESTIONS_FULL', message, status: 429 });
}
