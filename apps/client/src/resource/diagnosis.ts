/**
 * What nodes ask of this client beside streams: to dial a resource now and tell each step, to answer a ping, and to check
 * resources by itself. Tests are bounded in number and time; checks are the `HealthChecker`'s.
 */
import { type Control, type TestStep, testConnectSecondsMax, testGraceMs } from '@postern/contracts';
import { type DialStep, tryResource } from '@postern/dial';
import type { Session } from '@postern/tunnel';
import { errorText } from '@postern/dial';
import { HealthChecker, type HealthCheckerParts } from './health-checker.ts';

/** The most tests at once; each is an operator's own. */
export const testsMax = 16;

const stepsMax = 16;
const textMax = 2_000;

/** One for each gateway. */
export class Diagnosis {
  readonly #parts: HealthCheckerParts;
  readonly #abort = new AbortController();
  readonly health: HealthChecker;
  #tests = 0;

  constructor(parts: HealthCheckerParts) {
    this.#parts = parts;
    this.health = new HealthChecker(parts);
  }

  /** Takes what a node asks; false when it is about something else. */
  handleControl(session: Session, body: Control): boolean {
    switch (body.kind) {
      case 'ping':
        session.sendControl({ kind: 'pong', id: body.id });
        return true;
      case 'test':
        void this.#test(session, body);
        return true;
      case 'check':
        this.health.set(session, body.destinationId, body.check);
        return true;
      default:
        return false;
    }
  }

  /** The tunnel is gone, and what its node wanted checked with it. */
  forgetTunnel(session: Session): void {
    this.health.forget(session);
  }

  /** Gives up everything. */
  close(): void {
    this.#abort.abort(new Error('the client is stopping'));
    this.health.close();
  }

  async #test(session: Session, { id, target, http }: Extract<Control, { kind: 'test' }>): Promise<void> {
    const answer = (steps: readonly DialStep[]): void =>
      session.sendControl({ kind: 'tested', id, steps: steps.slice(0, stepsMax).map(cut) });
    if (this.#tests >= testsMax) {
      const text = `this client runs ${testsMax} tests already: try again in a while`;
      return answer([{ name: 'access list', ok: false, ms: 0, text }]);
    }
    this.#tests += 1;
    const seconds = Math.min(target.connectTimeoutSeconds || testConnectSecondsMax, testConnectSecondsMax);
    const trial = { target: { ...target, connectTimeoutSeconds: seconds }, http, isWell: () => true };
    const limit = AbortSignal.timeout(seconds * 1000 + testGraceMs / 2);
    try {
      const steps = await tryResource(
        this.#parts.resource,
        trial,
        AbortSignal.any([this.#abort.signal, limit]),
      );
      this.#parts.logger.info(
        { host: target.host, port: target.port, ok: steps.at(-1)?.ok ?? false },
        'a resource was dialled for a test',
      );
      answer(steps);
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      const text = limit.aborted
        ? 'the resource gave no answer in HTTP in time'
        : `the client failed: ${errorText(error)}`;
      answer([{ name: http === null ? 'connect' : 'HTTP', ok: false, ms: seconds * 1000, text }]);
    } finally {
      this.#tests -= 1;
    }
  }
}

function cut(step: DialStep): TestStep {
  return { ...step, text: step.text.slice(0, textMax) };
}
