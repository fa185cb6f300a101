/** The command line as a value: docs are generated of it. */
export { command } from './command.ts';
