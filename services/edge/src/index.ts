/** The data plane: ends the tunnels of clients and serves the fronts of destinations. */
export { type EdgeOptions, edgeOptions, program as edgeProgram } from './config.ts';
export { type Edge, type EdgeParts, createEdge } from './edge.ts';
