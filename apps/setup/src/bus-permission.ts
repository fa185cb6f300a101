/**
 * What each service may say and hear on the bus. Deny is the default: a service answers in its own room, asks what its work
 * needs, and announces what is its own. Replies it may send to the inboxes of those who ask it, where a token that only who
 * was asked knows stands for the question (`ReplyInbox` of libs/bus), and only the asker's own kind can hear them.
 *
 * The servers' `allow_responses` would let a service publish whatever subject a message that it heard named for its reply.
 * That is chosen by who sent the message, and who hears what it says itself could so give itself every right.
 */
import {
  certificateExpires,
  certificateFeed,
  checkCertificates,
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

/** The table. */
export const busPermissions: Readonly<Record<BusService, BusPermission>> = {
  edge: {
    publish: [
      ...[tunnelChanged, nodeBeat, healthChanged, openSession, listTicketKeys].map(({ subject }) => subject),
      ...[issueServerCertificate, issueNodeCertificate, getNodeMaterial, getClientMaterial].map(
        ({ subject }) => subject,
      ),
      ...[routeFeed, policyFeed, certificateFeed].map(({ since }) => since.subject),
      each(nodeSnapshot),
    ],
    publishNot: [],
    subscribe: [
      ...[tunnelChanged, nodeBeat, healthChanged].map(({ subject }) => subject),
      each(nodeSnapshot),
      'edge.>',
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

/** The inbox of a service: where the answers to what it asks arrive. */
function inboxOf(service: BusService): string {
  return `_INBOX_postern-${service}`;
}

/** The `authorization` block of a NATS server's configuration; keys are public ones. */
export function natsAuthorization(publicKeys: Readonly<Record<BusService, string>>): string {
  const list = (subjects: readonly string[]): string => `[${subjects.map((one) => `"${one}"`).join(', ')}]`;
  const users = busServices.map((service) => {
    const { publish, publishNot, subscribe, answers } = busPermissions[service];
    const inboxes = answers.map((asker) => `${inboxOf(asker)}.>`);
    return [
      `    # ${service}`,
      `    { nkey: ${publicKeys[service]}, permissions: {`,
      `        publish: { allow: ${list([...publish, ...inboxes])}, deny: ${list(publishNot)} }`,
      `        subscribe: { allow: ${list([...subscribe, `${inboxOf(service)}.>`])} } } }`,
    ].join('\n');
  });
  return `authorization {\n  timeout: 5\n  users: [\n${users.join('\n')}\n  ]\n}\n`;
}
