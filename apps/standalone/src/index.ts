/** The whole platform inside a process: for the program, and for tests that want it without one. */
export { type PlatformSettings, program } from './config.ts';
export { type Platform, createPlatform } from './platform.ts';
