/** How clients and operators reach a platform that a bench has started. */

/** Where a standalone platform is. */
export interface OperatorFile {
  readonly adminUrl: string;
  readonly apiKey: string;
  readonly caFile: string;
  readonly connectUrl: string;
  readonly tunnelPort: number;
}

/** What a client of a gateway shows. */
export interface GatewayAccess {
  readonly id: string;
  readonly token: string;
}
