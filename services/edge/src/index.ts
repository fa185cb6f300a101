/** The data plane: ends the tunnels of clients and serves the fronts of destinations. */
export { type EdgeOptions, edgeOptions, program as edgeProgram } from './config.ts';
export { type Edge, createEdge } from './edge.ts';
export type { EdgeParts } from './node-parts.ts';
export { nodeStopMsMax } from './stop-time.ts';
