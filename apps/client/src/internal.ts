/** The parts of the client that the storm's clients are made of (test/storm), so that they behave as it does. */
export { callPlatform } from './connector.ts';
export { Dialer } from './dialer.ts';
export { ClientError } from './errors.ts';
export { dialFailure } from './handshake.ts';
export type { Identity } from './identity.ts';
export { type CallFailure, type DialAction, KeeperDriver, type KeeperHands } from './keeper-driver.ts';
export { proxyChooser } from './proxy-choice.ts';
export { openTunnel } from './tunnel-opener.ts';
export { Hosts } from '@postern/dial';
