/** What an operator needs to know of a running platform; the content of `DIR/operator.json`. */

/** Where everything is, and the key that opens it. */
export interface Operator {
  readonly adminUrl: string;
  readonly apiKey: string;
  readonly caFile: string;
  readonly connectUrl: string;
  readonly tunnelPort: number;
  readonly platformHost: string;
  readonly dashboardUrl: string;
}
