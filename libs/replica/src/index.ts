export type { Clock } from './clock.ts';
export { FeedFollower, type FeedChange, type FeedFollowerOptions } from './feed-follower.ts';
export { FeedOwner, type FeedOwnerOptions, type FeedSource, type Identified } from './feed-owner.ts';
export type { Position, Within } from './feed-log.ts';
export { PresenceAnnouncer, type Announcement, type PresenceAnnouncerOptions } from './presence-announcer.ts';
export { askOnBus, type AskPage } from './presence-snapshot.ts';
export { PresenceTable, type PresenceTableOptions } from './presence-table.ts';
export type { LocatedTunnel } from './tunnel-index.ts';
export { watchEpoch } from './watch-epoch.ts';
