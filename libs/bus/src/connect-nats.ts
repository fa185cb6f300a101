/** The first connection to NATS. The driver cannot be stopped while it waits for one, so the waiting is done here. */
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '@nats-io/transport-node';
import { warnOfError } from './answering.ts';
import { BusError } from './bus-error.ts';
import { NatsBus } from './nats-bus.ts';
import { natsError } from './nats-error.ts';
import { connectionOptions, type NatsOptions } from './nats-options.ts';

/** Longest pause between two tries. */
const pauseMsMax = 5_000;

/**
 * Connects. Rejects with `BUS_DENIED` at once when the server refuses the credentials, with `BUS_ABORTED` when
 * `signal` ends the waiting, and without `waitOnFirstConnect` with `BUS_UNREACHABLE` after one try.
 * Once connected the bus finds a server again by itself, for as long as it takes.
 */
export async function connectNats(options: NatsOptions): Promise<NatsBus> {
  const onError = options.onError ?? warnOfError;
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, pauseMsMax)) {
    try {
      return new NatsBus(await connect(connectionOptions(options)), onError);
    } catch (cause) {
      const error = connectError(cause, shown(options.servers));
      if (error.code === 'BUS_DENIED' || options.waitOnFirstConnect === false) throw error;
      onError(error);
    }
    await pause(pauseMs, options.signal);
  }
}

async function pause(pauseMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(pauseMs * (0.5 + Math.random() / 2), undefined, signal === undefined ? {} : { signal });
  } catch (cause) {
    throw new BusError('BUS_ABORTED', 'waiting for the bus was given up', { cause });
  }
}

/** Whatever is not a refusal, a server that says nothing too, may be over at the next try. */
function connectError(cause: unknown, servers: string): BusError {
  const error = natsError(cause, `connecting to ${servers}`);
  if (error.code === 'BUS_DENIED' || error.code === 'BUS_UNREACHABLE') return error;
  return new BusError('BUS_UNREACHABLE', `the server is out of reach: ${error.message}`, { cause });
}

/** The servers without credentials that their URLs may hold. */
function shown(servers: string | readonly string[]): string {
  return String(servers).replaceAll(/\/\/[^/@,]*@/g, '//');
}
