/** The parts of the client that the storm's clients are made of (test/storm), so that they behave as it does. */
export { callPlatform } from './connector.ts';
export { Dialer } from './dialer.ts';
export { ClientError } from './errors.ts';
export { dialFailure } from './handshake.ts';
export type { Identity } from './identity.ts';
export type { KeeperAction, KeeperEvent } from './keeper-event.ts';
export { proxyChooser } from './proxy-choice.ts';
export { TunnelKeeper } from './tunnel-keeper.ts';
export { openTunnel } from './tunnel-opener.ts';
export { Hosts } from '@postern/dial';
