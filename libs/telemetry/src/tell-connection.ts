/** Loss and return of the bus in the log, for whoever asks why a program answered nothing meanwhile. */
import { type Logger, subsystemLogger } from './logger.ts';

/** Logs when the connection to the bus is lost and when it is back, until what it returns is closed: before the bus is. */
export function tellConnection<Subscription>(
  bus: { onConnection(handler: (connected: boolean) => void): Subscription },
  logger: Logger,
): Subscription {
  const own = subsystemLogger(logger, 'bus');
  return bus.onConnection((connected) => {
    if (connected) own.info('the bus is there again');
    else own.warn('the connection to the bus is lost; it is tried again until it is back');
  });
}
