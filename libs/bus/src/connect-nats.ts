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
 * Connects. Rejects at once with `BUS_SETTINGS_INVALID` when the servers are none, and with `BUS_DENIED` when the server
 * refuses the credentials; with `BUS_UNREACHABLE` when `signal` ends the waiting, after one try when it had before.
 * Once connected the bus finds a server again by itself, for as long as it takes.
 */
export async function connectNats(options: NatsOptions): Promise<NatsBus> {
  const { signal, onError = warnOfError } = options;
  const { servers, ...driverOptions } = connectionOptions(options);
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, pauseMsMax)) {
    try {
      const nats = await connect({ ...driverOptions, servers });
      return new NatsBus(
        nats,
        driverOptions.inboxPrefix,
        () => whyNone({ ...driverOptions, servers }),
        onError,
      );
    } catch (cause) {
      const error = connectError(cause, servers);
      if (error.code === 'BUS_DENIED') throw error;
      onError(error);
      await delay(pauseMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      if (signal?.aborted === true) throw error;
    }
  }
}

async function whyNone(options: ReturnType<typeof connectionOptions>): Promise<BusError | null> {
  try {
    await (await connect({ ...options, reconnect: false })).close();
    return null;
  } catch (cause) {
    return connectError(cause, options.servers);
  }
}

/** Whatever is not a refusal, a server that says nothing too, may be over at the next try. */
function connectError(cause: unknown, servers: readonly string[]): BusError {
  const error = natsError(cause, `connecting to ${servers.join(', ')}`);
  if (error.code === 'BUS_DENIED' || error.code === 'BUS_UNREACHABLE') return error;
  return new BusError('BUS_UNREACHABLE', `the server is out of reach: ${error.message}`, { cause });
}
