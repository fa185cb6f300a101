/** The data plane: ends the tunnels of clients and serves the fronts of destinations. */
export { type EdgeOptions, edgeOptions } from './config.ts';
export { type Edge, createEdge } from './edge.ts';
export { nodeStopMsMax } from './stop-time.ts';
