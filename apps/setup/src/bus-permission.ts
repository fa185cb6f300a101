/**
 * What each service may say and hear on the bus. Deny is the default: a service answers in its own room, asks what its work
 * needs, and announces what is its own. Replies it may send to the inboxes of those who ask it, where a token that only who
 * was asked knows stands for the question (`ReplyInbox` of libs/bus), and only the asker's own kind can hear them.
 *
 * A node can have a user of its own: it answers and hears answers at its own subjects, and is certified by its own name. What
 * it says of presence names it in the message, which no server can hold against the user: whoever hears that asks the node.
 *
 * The servers' `allow_responses` would let a service publish whatever subject a message that it heard named for its reply.
 * That is chosen by who sent the message, and who hears what it says itself could so give itself every right.
 */
import {
  certificateExpires,
  certificateFeed,
  catchUpAtNode,
  checkCertificates,
  drainNode,
  endClient,
  getCa,
  getClientMaterial,
  getDestination,
  getGateway,
  getNodeMaterial,
  gatewayFeed,
  healthChanged,
  issueNodeCertificate,
  issueServerCertificate,
  listHealth,
  listTicketKeys,
  listTunnels,
  nodeBeat,
  nodeSnapshot,
  openSession,
  pingAtNode,
  policyFeed,
  releaseCertificate,
  routeFeed,
  testAtClient,
  testAtNode,
  tunnelChanged,
} from '@postern/contracts';

/** The services that are on the bus, and this program, which fetches the platform's CA for operators. */
export const busServices = ['edge', 'router', 'acl', 'certstore', 'admin', 'setup'] as const;
/** One of them. */
export type BusService = (typeof busServices)[number];

/** Subjects, with `*` and `>` as NATS has them. */
export interface BusPermission {
  readonly publish: readonly string[];
  readonly publishNot: readonly string[];
  readonly subscribe: readonly string[];
  /** Whose questions it answers. */
  readonly answers: readonly BusService[];
}

/** Announcements of owners, which nobody else may make. */
const announcements = [
  ...['router', 'acl', 'certstore'].flatMap((room) => [`${room}.*.beat`, `${room}.changed`]),
  certificateExpires.subject,
];
const each = ({ subject }: { subject: string }): string => `${subject}.*`;

/** What a node is asked at its own subject. */
const askedOfNodes = [
  listTunnels,
  listHealth,
  pingAtNode,
  testAtClient,
  testAtNode,
  drainNode,
  catchUpAtNode,
  nodeSnapshot,
].map(each);

/** The table. */
export const busPermissions: Readonly<Record<BusService, BusPermission>> = {
  edge: {
    publish: [
      ...[tunnelChanged, nodeBeat, healthChanged, openSession, listTicketKeys].map(({ subject }) => subject),
      ...[issueServerCertificate, issueNodeCertificate, getNodeMaterial, getClientMaterial].map(
        ({ subject }) => subject,
      ),
      ...[routeFeed, policyFeed, certificateFeed].map(({ since }) => since.subject),
      ...[nodeSnapshot, issueNodeCertificate].map(each),
    ],
    publishNot: [],
    subscribe: [
      ...[tunnelChanged, nodeBeat, healthChanged].map(({ subject }) => subject),
      ...askedOfNodes,
      endClient.subject,
      ...[routeFeed, policyFeed, certificateFeed].map(({ beat }) => beat.subject),
    ],
    answers: ['edge', 'router', 'acl', 'admin'],
  },
  router: {
    publish: [
      'router.*.beat',
      'router.changed',
      checkCertificates.subject,
      ...[listTunnels, listHealth, pingAtNode, testAtClient, testAtNode, nodeSnapshot].map(each),
    ],
    publishNot: [],
    subscribe: ['router.>', tunnelChanged.subject, nodeBeat.subject, healthChanged.subject],
    answers: ['edge', 'acl', 'certstore', 'admin'],
  },
  acl: {
    publish: [
      'acl.*.beat',
      'acl.changed',
      ...[getGateway, getDestination, gatewayFeed.since, routeFeed.since].map(({ subject }) => subject),
      each(nodeSnapshot),
    ],
    publishNot: [],
    subscribe: [
      'acl.>',
      ...[gatewayFeed.beat, routeFeed.beat, tunnelChanged, nodeBeat].map(({ subject }) => subject),
    ],
    answers: ['edge', 'admin'],
  },
  certstore: {
    publish: [
      'certstore.*.beat',
      'certstore.changed',
      ...[certificateExpires, routeFeed.since, getGateway, releaseCertificate].map(({ subject }) => subject),
    ],
    publishNot: [],
    subscribe: ['certstore.>', routeFeed.beat.subject],
    answers: ['edge', 'router', 'admin', 'setup'],
  },
  admin: {
    publish: ['router.>', 'acl.>', 'certstore.>', endClient.subject, 'edge.>'],
    // Tickets and contents of certificates are for nodes to ask for, and a node's identity is a node's.
    publishNot: [
      ...announcements,
      ...[openSession, issueNodeCertificate, getNodeMaterial, getClientMaterial].map(
        ({ subject }) => subject,
      ),
      each(issueNodeCertificate),
    ],
    subscribe: [
      'router.changed',
      'acl.changed',
      'certstore.changed',
      'edge.changed',
      ...[certificateExpires, nodeBeat, routeFeed.beat, policyFeed.beat, certificateFeed.beat].map(
        ({ subject }) => subject,
      ),
    ],
    answers: [],
  },
  setup: { publish: [getCa.subject], publishNot: [], subscribe: [], answers: [] },
};

/** What one node may, where each has a user of its own. */
export function nodePermission(node: string): BusPermission {
  const { edge } = busPermissions;
  const issues: readonly string[] = [issueNodeCertificate.subject, each(issueNodeCertificate)];
  return {
    ...edge,
    publish: [
      ...edge.publish.filter((one) => !issues.includes(one)),
      `${issueNodeCertificate.subject}.${node}`,
    ],
    subscribe: edge.subscribe.map((one) => (askedOfNodes.includes(one) ? one.replace('*', node) : one)),
  };
}

/** The inbox of a service: where the answers to what it asks arrive. */
function inboxOf(service: BusService): string {
  return `_INBOX_postern-${service}`;
}

/**
 * The `authorization` block of a NATS server's configuration; keys are public ones, those of services and of nodes by their
 * names. Without a key of `edge` there is no user that nodes share.
 */
export function natsAuthorization(
  publicKeys: Readonly<Partial<Record<BusService, string>>>,
  nodeKeys: ReadonlyMap<string, string> = new Map(),
): string {
  const services = busServices.map((service) =>
    userOf(service, publicKeys[service], busPermissions[service], inboxOf(service)),
  );
  const nodes = [...nodeKeys].map(([node, key]) =>
    userOf(node, key, nodePermission(node), `${inboxOf('edge')}.${node}`),
  );
  const users = [...services, ...nodes].filter((one) => one !== null);
  return `authorization {\n  timeout: 5\n  users: [\n${users.join('\n')}\n  ]\n}\n`;
}

function userOf(
  name: string,
  key: string | undefined,
  { publish, publishNot, subscribe, answers }: BusPermission,
  inbox: string,
): string | null {
  if (key === undefined) return null;
  const list = (subjects: readonly string[]): string => `[${subjects.map((one) => `"${one}"`).join(', ')}]`;
  const inboxes = answers.map((asker) => `${inboxOf(asker)}.>`);
  return [
    `    # ${name}`,
    `    { nkey: ${key}, permissions: {`,
    `        publish: { allow: ${list([...publish, ...inboxes])}, deny: ${list(publishNot)} }`,
    `        subscribe: { allow: ${list([...subscribe, `${inbox}.>`])} } } }`,
  ].join('\n');
}
