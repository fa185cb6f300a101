/** What every booted platform offers, however it was booted. Tests that take a `Platform` run on each kind. */
import type { AdminClient } from '../admin/admin-client.ts';

/** A running platform. */
export interface Platform extends AsyncDisposable {
  readonly adminUrl: string;
  readonly apiKey: string;
  readonly caFile: string;
  readonly connectUrl: string;
  readonly platformHost: string;
  readonly admin: AdminClient;
  /** The address of each node; all of them serve every front. */
  readonly nodeHosts: readonly string[];
  /** How many nodes there are, where several share an address. */
  readonly nodeCount?: number;
  /** The port that plain HTTP fronts share, of each node. */
  readonly httpPort: number;
  /** Ends everything that was booted with it. */
  stop(): Promise<void>;
}
