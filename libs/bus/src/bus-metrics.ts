/** A program's connection to the bus, for programs that have one of their own. */
import type { Metrics } from '@postern/telemetry';
import type { BusStats } from './bus-stats.ts';

/** Registers them; `stats` is null until there is a connection. */
export function busMetrics(metrics: Metrics, stats: () => BusStats | null): void {
  metrics.gauge({
    name: 'postern.bus.connected',
    unit: '{connection}',
    help: '1 while the bus is in reach of this program, 0 while it is not.',
    read: () => (stats()?.connected === true ? 1 : 0),
  });
  metrics.counter({
    name: 'postern.bus.reconnects',
    unit: '{connection}',
    help: 'Times that the connection to the bus was found again.',
    read: () => stats()?.reconnects ?? 0,
  });
  metrics.gauge({
    name: 'postern.bus.round_trip',
    unit: 's',
    help: 'How long a message took to the bus’s server and back last; of one that is still awaited, how long it has been. 0 while there is no server.',
    read: () => stats()?.roundTripSeconds ?? 0,
  });
  metrics.counter({
    name: 'postern.bus.denied',
    unit: '{message}',
    help: 'Messages that the permissions of the bus’s server did not let this program publish, and tries to subscribe.',
    labels: ['operation'],
    read: () => {
      const { publish = 0, subscription = 0 } = stats()?.denied ?? {};
      return [
        { value: publish, labels: { operation: 'publish' } },
        { value: subscription, labels: { operation: 'subscribe' } },
      ];
    },
  });
  metrics.gauge({
    name: 'postern.bus.questions_pending',
    unit: '{question}',
    help: 'Own questions that wait for their answer.',
    read: () => stats()?.pending ?? 0,
  });
  metrics.counter({
    name: 'postern.bus.questions',
    unit: '{question}',
    help: 'Own questions that are over, by ok or the code of the bus’s error.',
    labels: ['outcome'],
    read: () => [...(stats()?.outcomes ?? [])].map(([outcome, value]) => ({ value, labels: { outcome } })),
  });
  metrics.counter({
    name: 'postern.bus.messages',
    unit: '{message}',
    help: 'Messages from and to the bus.',
    labels: ['direction'],
    read: () => both(stats()?.messagesIn, stats()?.messagesOut),
  });
  metrics.counter({
    name: 'postern.bus.bytes',
    unit: 'By',
    help: 'Bytes of messages from and to the bus.',
    labels: ['direction'],
    read: () => both(stats()?.bytesIn, stats()?.bytesOut),
  });
}

function both(received = 0, sent = 0): { value: number; labels: { direction: string } }[] {
  return [
    { value: received, labels: { direction: 'in' } },
    { value: sent, labels: { direction: 'out' } },
  ];
}
