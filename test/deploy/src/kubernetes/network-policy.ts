/**
 * NetworkPolicies read as the API says they mean, since no cluster of a test enforces them: what selects a pod forbids all
 * that none of them allows. Peers here are pods of the release's own namespace, or an address that is no pod.
 */

type Labels = Readonly<Record<string, string>>;

interface Selector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly { key: string; operator: 'In' | 'NotIn'; values: readonly string[] }[];
}

interface Rule {
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
  readonly ports?: readonly { port: number | string; endPort?: number; protocol?: 'TCP' | 'UDP' }[];
}

interface Peer {
  readonly podSelector?: Selector;
}

/** A NetworkPolicy as a chart renders it. */
export interface NetworkPolicy {
  readonly kind: 'NetworkPolicy';
  readonly spec: {
    readonly podSelector: Selector;
    readonly policyTypes: readonly ('Ingress' | 'Egress')[];
    readonly ingress?: readonly Rule[];
    readonly egress?: readonly Rule[];
  };
}

/** A pod by its labels, or null for an address that is no pod's. */
export type End = Labels | null;

/** A TCP port by its number, and by its name where the pod gives it one. */
export interface PolicyPort {
  readonly number: number;
  readonly name?: string;
}

/** Whether a connection passes the rules of both ends. */
export function isAllowed(policies: readonly NetworkPolicy[], from: End, to: End, port: PolicyPort): boolean {
  return passes(policies, 'Egress', from, to, port) && passes(policies, 'Ingress', to, from, port);
}

function passes(
  policies: readonly NetworkPolicy[],
  direction: 'Ingress' | 'Egress',
  self: End,
  other: End,
  port: PolicyPort,
): boolean {
  if (self === null) return true;
  const own = policies.filter(
    ({ spec }) => spec.policyTypes.includes(direction) && selects(spec.podSelector, self),
  );
  if (own.length === 0) return true;
  const rules = own.flatMap(({ spec }) => (direction === 'Egress' ? spec.egress : spec.ingress) ?? []);
  return rules.some((rule) => allowsPeer(rule.to ?? rule.from, other) && allowsPort(rule.ports, port));
}

function allowsPeer(peers: readonly Peer[] | undefined, other: End): boolean {
  if (peers === undefined || peers.length === 0) return true;
  return (
    other !== null &&
    peers.some(({ podSelector }) => podSelector !== undefined && selects(podSelector, other))
  );
}

function allowsPort(ports: Rule['ports'], wanted: PolicyPort): boolean {
  if (ports === undefined || ports.length === 0) return true;
  return ports.some(({ port, endPort, protocol = 'TCP' }) => {
    if (protocol !== 'TCP') return false;
    if (typeof port === 'string') return port === wanted.name;
    return wanted.number >= port && wanted.number <= (endPort ?? port);
  });
}

function selects({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(
      ({ key, operator, values }) => values.includes(labels[key] ?? '') === (operator === 'In'),
    )
  );
}
