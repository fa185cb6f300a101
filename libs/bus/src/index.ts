import type { OnError } from './answering.ts';
import type { MemoryBus } from './memory-bus.ts';
import { MemoryHub } from './memory-hub.ts';

export { messageBytesMax } from './body.ts';
export { BusError, type BusErrorCode } from './bus-error.ts';
export type { Bus, Subscription } from './bus.ts';
export { MemoryBus } from './memory-bus.ts';
export { MemoryHub } from './memory-hub.ts';
export { busMetrics } from './bus-metrics.ts';
export { connectNats } from './connect-nats.ts';
export type { NatsBus } from './nats-bus.ts';
export type { NatsOptions } from './nats-options.ts';

/** An in-process bus with one connection; those who need several make a `MemoryHub` and connect to it. */
export function memoryBus(options: { onError?: OnError } = {}): MemoryBus {
  return new MemoryHub().connect(options);
}
