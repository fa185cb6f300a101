/** The ways in which a replica fails; each has its row in docs/ERRORS.md. */
export type ReplicaErrorCode =
  | 'REPLICA_FEED_CHANGED'
  | 'REPLICA_FEED_TOO_LARGE'
  | 'REPLICA_PRESENCE_FULL'
  | 'REPLICA_SNAPSHOT_CHANGED';

/** An operating error of a replica. It is found again at the next beat, so whoever is told only logs it. */
export class ReplicaError extends Error {
  readonly code: ReplicaErrorCode;

  constructor(code: ReplicaErrorCode, message: string) {
    super(message);
    this.name = 'ReplicaError';
    this.code = code;
  }
}
