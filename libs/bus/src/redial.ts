/**
 * How long the driver waits before it tries a server again. Its own pause ends by the time of day, so a clock that was set
 * back would keep it from every try for as long; this one ends by a clock that only goes forward.
 */
import type { ConnectionOptions } from '@nats-io/transport-node';

/** Between two tries of one server; those who lost it together come apart. */
const pauseMs = { min: 100, max: 500 };

/** The options of one connection; servers that were not tried lately are tried at once. */
export function redialOptions(): Required<
  Pick<ConnectionOptions, 'reconnectDelayHandler' | 'reconnectToServer'>
> {
  const triedAt = new Map<string, number>();
  return {
    // No pause by the time of day.
    reconnectDelayHandler: () => -Infinity,
    reconnectToServer: (servers) => {
      const [server] = servers;
      if (server === undefined) return null;
      // A cluster tells who is in it; its servers come and go, each with another address.
      const known = new Set(servers.map(({ listen }) => listen));
      for (const listen of triedAt.keys()) if (!known.has(listen)) triedAt.delete(listen);
      const now = performance.now();
      const pause = pauseMs.min + Math.random() * (pauseMs.max - pauseMs.min);
      const delay = Math.max(0, (triedAt.get(server.listen) ?? -Infinity) + pause - now);
      triedAt.set(server.listen, now + delay);
      return { server, delay };
    },
  };
}
