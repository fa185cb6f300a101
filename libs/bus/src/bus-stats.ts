/** What a connection to the bus has seen since its start, for metrics. */
export interface BusStats {
  readonly connected: boolean;
  /** How often the connection was found again. */
  readonly reconnects: number;
  /** How long a message takes to the server and back; null while there is none. */
  readonly roundTripSeconds: number | null;
  /** What the server did not allow. */
  readonly denied: { readonly publish: number; readonly subscription: number };
  /** Questions that wait for their answer now. */
  readonly pending: number;
  /** Own questions that are over: by `ok`, or the code of the `BusError`. */
  readonly outcomes: ReadonlyMap<string, number>;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}
