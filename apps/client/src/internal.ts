/** The parts of the client that the storm's clients are made of (test/storm), so that they behave as it does. */
export { fixedCa } from './platform/ca-file.ts';
export { callPlatform } from './platform/connector.ts';
export { Dialer } from './platform/dialer.ts';
export { ClientError } from './errors.ts';
export { dialFailure } from './platform/handshake.ts';
export type { Identity } from './platform/identity.ts';
export { type CallFailure, type DialAction, KeeperDriver, type KeeperHands } from './keeper/keeper-driver.ts';
export { proxyChooser } from './platform/proxy-choice.ts';
export { openTunnel } from './platform/tunnel-opener.ts';
export { Hosts } from '@postern/dial';
