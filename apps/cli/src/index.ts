/** The command line as a value, of which docs are generated, and what of it the demo uses too. */
export { type Api, createApi } from './api.ts';
export { command } from './command.ts';
export { readContext } from './context.ts';
export { tableOf } from './output.ts';
export { parseHostPort } from './value.ts';
