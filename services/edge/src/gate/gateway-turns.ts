/**
 * Work of which a gateway has so much under way at most, whatever its clients ask for: so one gateway's is not what the
 * others wait behind. What is more waits here, in its order; how much may wait is for whoever calls.
 */

/** Turns of all gateways. */
export class GatewayTurns {
  readonly #atOnceMax: number;
  readonly #gateways = new Map<string, { running: number; waiting: (() => void)[] }>();

  constructor(atOnceMax: number) {
    this.#atOnceMax = atOnceMax;
  }

  /** Does the work in its turn. */
  async run<Result>(gatewayId: string, work: () => Promise<Result>): Promise<Result> {
    const gateway = this.#gateways.get(gatewayId) ?? { running: 0, waiting: [] };
    this.#gateways.set(gatewayId, gateway);
    // Who ends hands its turn on, so that nobody comes in between.
    if (gateway.running < this.#atOnceMax) gateway.running += 1;
    else await new Promise<void>((resolve) => gateway.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = gateway.waiting.shift();
      if (next !== undefined) next();
      else if (--gateway.running === 0) this.#gateways.delete(gatewayId);
    }
  }
}
