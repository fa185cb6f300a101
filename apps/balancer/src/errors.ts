/** How a balancer fails. Every code has a row in docs/ERRORS.md. */

/** Codes of this room. */
export type BalancerCode =
  | 'BALANCER_ADMIN_UNREACHABLE'
  | 'BALANCER_ADMIN_REFUSED'
  | 'BALANCER_CONFIGURATION_REFUSED'
  | 'BALANCER_HANDOVER_FAILED'
  | 'BALANCER_NODES_INVALID'
  | 'BALANCER_NODES_MISSING'
  | 'BALANCER_PROGRAM_ENDED';

/** An operating error of a balancer. */
export class BalancerError extends Error {
  readonly code: BalancerCode;

  constructor(code: BalancerCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'BalancerError';
    this.code = code;
  }
}
