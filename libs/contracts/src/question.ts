/**
 * How services meet: a question is one bus subject with a schema for what is asked and one for the answer,
 * a notice is one subject with a schema for what is announced. Both are checked at both ends, so a service
 * that speaks another version is found at the boundary, never inside.
 *
 *   ask(bus, question, body)  ──►  subject  ──►  answer(bus, question, handler)
 *        ◄── { ok: answer }  or  { error: { code, message, … } } ──
 */
import type { Bus, Subscription } from '@postern/bus';
import { Type, type Static, type TSchema } from 'typebox';
import { lateCheck } from './late-check.ts';
import { ServiceError, ServiceErrorBody } from './service-error.ts';

/** A subject that is asked and answered. `deadlineMs` is how long the asker waits unless it says otherwise. */
export interface Question<Request extends TSchema = TSchema, Answer extends TSchema = TSchema> {
  readonly subject: string;
  readonly deadlineMs: number;
  readonly checkRequest: Check<Static<Request>>;
  readonly checkAnswer: Check<Static<Answer>>;
}

/** A subject that is announced to whoever listens. */
export interface Notice<Body extends TSchema = TSchema> {
  readonly subject: string;
  readonly checkBody: Check<Static<Body>>;
}

/** Returns the value unchanged, or throws `CONTRACT_VIOLATED` naming the subject and the first few faults. */
export type Check<T> = (value: unknown) => T;

/** Declares a question. */
export function defineQuestion<Request extends TSchema, Answer extends TSchema>(
  subject: string,
  request: Request,
  answer: Answer,
  options: { deadlineMs?: number } = {},
): Question<Request, Answer> {
  return {
    subject,
    deadlineMs: options.deadlineMs ?? 5_000,
    checkRequest: checker(request, `question ${subject}`),
    checkAnswer: checker(answer, `answer to ${subject}`),
  };
}

/** Declares a notice. */
export function defineNotice<Body extends TSchema>(subject: string, body: Body): Notice<Body> {
  return { subject, checkBody: checker(body, `notice ${subject}`) };
}

/**
 * Asks and waits for the answer. Throws `ServiceError` with the code that the other end gave, `BUS_TIMEOUT`
 * or `BUS_NO_RESPONDER` when nobody answered, `CONTRACT_VIOLATED` when what came back is not an answer.
 */
export async function ask<Request extends TSchema, Answer extends TSchema>(
  bus: Bus,
  question: Question<Request, Answer>,
  body: Static<Request>,
  options: { deadlineMs?: number; suffix?: string; signal?: AbortSignal } = {},
): Promise<Static<Answer>> {
  question.checkRequest(body);
  const subject = options.suffix === undefined ? question.subject : `${question.subject}.${options.suffix}`;
  const { ok, error } = checkReply(
    await bus.request(subject, body, {
      deadlineMs: options.deadlineMs ?? question.deadlineMs,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    }),
  );
  if (error !== undefined) throw new ServiceError(error);
  return question.checkAnswer(ok);
}

/**
 * Answers a question. With `queue` one member of that group is asked, without it every one that listens.
 * `suffix` makes the subject one instance's own (`edge.tunnels.list.edge-1`), or with `*` takes in those of all askers; the
 * handler is told at which it was asked. A `ServiceError` thrown by the
 * handler travels to the asker as it is; anything else becomes `INTERNAL`, is given to `onError`, and does
 * not leak its text. `onOutcome` is told of each answer: `ok`, or the code of its refusal.
 */
export function answer<Request extends TSchema, Answer extends TSchema>(
  bus: Pick<Bus, 'serve'>,
  question: Question<Request, Answer>,
  handler: (body: Static<Request>, subject: string) => Promise<Static<Answer>> | Static<Answer>,
  options: {
    queue?: string;
    suffix?: string;
    onOutcome?: (outcome: string) => void;
    onError?: (error: unknown) => void;
  } = {},
): Subscription {
  const subject = options.suffix === undefined ? question.subject : `${question.subject}.${options.suffix}`;
  const serve = async (body: unknown, askedAt: string): Promise<Static<typeof Reply>> => {
    try {
      const ok = question.checkAnswer(await handler(question.checkRequest(body), askedAt));
      options.onOutcome?.('ok');
      return { ok };
    } catch (error) {
      if (!(error instanceof ServiceError)) options.onError?.(error);
      const refusal = ServiceError.from(error);
      options.onOutcome?.(refusal.code);
      return { error: refusal.body };
    }
  };
  return bus.serve(subject, serve, options.queue === undefined ? {} : { queue: options.queue });
}

/** Answers one question with its handler. */
export type Answerer = <Request extends TSchema, Answer extends TSchema>(
  question: Question<Request, Answer>,
  handler: (body: Static<Request>) => Promise<Static<Answer>> | Static<Answer>,
) => Subscription;

/** What answering needs of a service. */
export interface AnsweringParts {
  bus: Pick<Bus, 'serve'>;
  /** Of all replicas. */
  queue: string;
  metrics: { answered(subject: string, outcome: string): void };
  logger: { error(fields: object, message: string): void };
}

/**
 * Answers the questions of one service in the queue of its replicas: each answer is counted with `ok` or the code of its
 * refusal, and what is no refusal is logged.
 */
export function answererOf({ bus, queue, metrics, logger }: AnsweringParts): Answerer {
  return (question, handler) => {
    const { subject } = question;
    return answer(bus, question, handler, {
      queue,
      onOutcome: (outcome) => metrics.answered(subject, outcome),
      onError: (error) => logger.error({ error, subject }, 'a question failed'),
    });
  };
}

/** Announces. Nobody may be listening; whoever missed it finds out by the revision (docs/ARCHITECTURE.md). */
export function announce<Body extends TSchema>(bus: Bus, notice: Notice<Body>, body: Static<Body>): void {
  bus.publish(notice.subject, notice.checkBody(body));
}

/** Whoever may announce can do so as fast as it likes, and each wrong body would be a line in the log. */
const toldAgainMs = 60_000;

/** Listens. A body that does not fit the schema is dropped; `onError` is told of the first, and of one a minute after it. */
export function listen<Body extends TSchema>(
  bus: Bus,
  notice: Notice<Body>,
  handler: (body: Static<Body>) => void,
  onError: (error: unknown) => void,
): Subscription {
  let toldAt = -Infinity;
  return bus.subscribe(notice.subject, (body) => {
    try {
      notice.checkBody(body);
    } catch (error) {
      if (performance.now() - toldAt < toldAgainMs) return;
      toldAt = performance.now();
      return onError(error);
    }
    try {
      handler(body as Static<Body>);
    } catch (error) {
      onError(error);
    }
  });
}

const Reply = Type.Object({ ok: Type.Optional(Type.Unknown()), error: Type.Optional(ServiceErrorBody) });
const checkReply = checker(Reply, 'reply');

function checker<Schema extends TSchema>(schema: Schema, what: string): Check<Static<Schema>> {
  const compiled = lateCheck(schema);
  return (value) => {
    if (compiled().Check(value)) return value;
    const faults = compiled()
      .Errors(value)
      .slice(0, 3)
      .map((fault) => `${fault.instancePath || '/'} ${fault.message}`);
    throw new ServiceError({
      code: 'CONTRACT_VIOLATED',
      message: `${what}: ${faults.join('; ')}`,
      status: 500,
    });
  };
}
