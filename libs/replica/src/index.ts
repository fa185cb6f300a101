export { systemClock, type Clock } from './clock.ts';
export { FeedFollower, type FeedChange, type FeedFollowerOptions } from './feed-follower.ts';
export { FeedOwner, type FeedOwnerOptions, type FeedSource, type Identified } from './feed-owner.ts';
export type { Position, Within } from './feed-log.ts';
export { ReplicaError, type ReplicaErrorCode } from './replica-error.ts';
