/**
 * How the resources of cloud destinations are, as this node finds them: it dials them, so it checks them, by the same dial
 * as a stream's, and a test is that dial now. What other nodes find is theirs to say.
 */
import {
  type HealthFinding,
  type Route,
  ServiceError,
  type TestStep,
  dialTargetOf,
  testConnectSecondsMax,
  testGraceMs,
} from '@postern/contracts';
import { Checks, type ResourceParts, tryResource } from '@postern/dial';
import { Shares } from '@postern/share';
import type { Logger } from '@postern/telemetry';
import { questionsFull } from '../client/client-desk.ts';
import { type FailingDestination, checkOf } from '../client/health.ts';

/** The most cloud destinations that one node checks. */
const cloudChecksMax = 2_000;
/** The most tests at once; each is an operator's own, and one gateway has half. */
const testsMax = 16;
const stepsMax = 16;
const textMax = 2_000;

/** What it needs of the node. */
export interface CloudHealthParts {
  route(destinationId: string): Route | undefined;
  /** How this node reaches what a gateway's cloud destinations name. */
  resource(gatewayId: string): Omit<ResourceParts, 'onStep'>;
  readonly logger: Logger;
}

/** One for the node. */
export class CloudHealth {
  readonly #parts: CloudHealthParts;
  readonly #gateways = new Map<string, string>();
  readonly #checks: Checks;
  readonly #abort = new AbortController();
  readonly #tests = new Shares(testsMax);

  constructor(parts: CloudHealthParts) {
    this.#parts = parts;
    this.#checks = new Checks({
      resource: (destinationId) => parts.resource(this.#gateways.get(destinationId) ?? ''),
      onFinding: (destinationId, { ok, cause }, { kind, target: { host, port } }, turned) => {
        if (!turned) return;
        const about = { destinationId, host, port, check: kind };
        if (ok) parts.logger.info(about, 'a cloud resource is well');
        else parts.logger.warn(about, `a cloud resource is not well: ${cause}`);
      },
    });
  }

  /** A destination is new or another, or gone. */
  handleRoute(destinationId: string, route: Route | undefined): void {
    const isServed = route?.kind === 'cloud' && route.enabled && route.gatewayEnabled;
    const check = isServed ? checkOf(route) : null;
    if (check === null || route === undefined) {
      this.#checks.set(destinationId, null);
      this.#gateways.delete(destinationId);
      return;
    }
    if (this.#gateways.size >= cloudChecksMax && !this.#gateways.has(destinationId)) return;
    this.#gateways.set(destinationId, route.gatewayId);
    this.#checks.set(destinationId, check);
  }

  /** Checks those of a gateway anew within a second: its policy has changed. */
  again(gatewayId: string): void {
    for (const [destinationId, of] of this.#gateways) if (of === gatewayId) this.#checks.again(destinationId);
  }

  /** What was found of some destinations of a gateway. */
  list(gatewayId: string, destinationIds: readonly string[]): HealthFinding[] {
    return destinationIds.flatMap((destinationId) => {
      const found = this.#checks.finding(destinationId);
      const isOwn = this.#gateways.get(destinationId) === gatewayId;
      return found === null || !isOwn ? [] : [{ destinationId, ...found }];
    });
  }

  /** Those that this node does not reach. */
  failing(): FailingDestination[] {
    return [...this.#checks.findings()].flatMap(([id, { ok, since }]) =>
      ok ? [] : [{ id, gatewayId: this.#gateways.get(id) ?? '', since }],
    );
  }

  /** Dials the resource now. Throws `EDGE_DESTINATION_DELETED` or `EDGE_QUESTIONS_FULL`. */
  async test(gatewayId: string, destinationId: string): Promise<TestStep[]> {
    const route = this.#parts.route(destinationId);
    if (route?.kind !== 'cloud' || route.gatewayId !== gatewayId) {
      const message = 'this node knows no such cloud destination of the gateway';
      throw new ServiceError({ code: 'EDGE_DESTINATION_DELETED', message, status: 404 });
    }
    const full = this.#tests.whyFull(gatewayId);
    if (full !== null) throw questionsFull(full);
    return this.#tests.during(gatewayId, () => this.#try(route));
  }

  /** Ends everything. Idempotent. */
  close(): void {
    this.#abort.abort(new Error('the node is stopping'));
    this.#checks.close();
  }

  async #try(route: Route): Promise<TestStep[]> {
    const target = dialTargetOf(route.resource);
    const seconds = Math.min(target.connectTimeoutSeconds || testConnectSecondsMax, testConnectSecondsMax);
    const { resource, health } = route;
    const isHttp = resource.protocol === 'http' || health.kind === 'http';
    const http = isHttp ? { host: resource.tls.serverName ?? resource.host, path: health.path } : null;
    const trial = { target: { ...target, connectTimeoutSeconds: seconds }, http, isWell: () => true };
    const limit = AbortSignal.timeout(seconds * 1000 + testGraceMs / 2);
    try {
      const signal = AbortSignal.any([this.#abort.signal, limit]);
      const steps = await tryResource(this.#parts.resource(route.gatewayId), trial, signal);
      return steps.slice(0, stepsMax).map((step) => ({ ...step, text: step.text.slice(0, textMax) }));
    } catch (error) {
      if (!limit.aborted) throw error;
      const text = 'the resource gave no answer in HTTP in time';
      return [{ name: 'HTTP', ok: false, ms: seconds * 1000, text }];
    }
  }
}
