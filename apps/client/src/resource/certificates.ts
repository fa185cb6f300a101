/**
 * The certificates that this client verifies resources by and shows to them, for one gateway: in memory only, and no
 * longer than a destination of the gateway names them. Nodes say which those are; what is new is fetched at once, so
 * that streams rarely wait for it and the loss of certstore is not felt.
 *
 *   node ──certificates (IDs, revisions)──► needed ──materialWanted, 8 at most──► any node
 *   OPEN names (ID, revision) ──► material(…) waits ◄── held ◄── material (opened, checked) ──┘
 */
import {
  type CertificateReference,
  type Control,
  Material,
  type MaterialRefusal,
  type SealedMaterial,
  materialsPerQuestionMax,
} from '@postern/contracts';
import { errorText } from '@postern/dial';
import type { Logger } from '@postern/telemetry';
import { Compile } from 'typebox/compile';
import { ClientError } from '../errors.ts';
import type { MaterialTrust } from '../platform/material-trust.ts';
import type { SealingKey } from '../platform/sealing-key.ts';

/** The most certificates that are held for one gateway. */
const certificatesHeldMax = 1_024;
/** How long one question waits before it is asked again, by another tunnel where there is one. */
const questionMs = 2_000;
/** How long a stream waits for a certificate of which there is none here. */
const materialDeadlineMs = 10_000;
/** How long it waits for a newer one than there is, before it goes on with that. */
const newerDeadlineMs = 1_500;

const waitersMax = 4_096;
const materialCheck = Compile(Material);

/** What it needs of the gateway's client. */
export interface CertificatesParts {
  readonly sealing: SealingKey;
  readonly trust: MaterialTrust;
  readonly logger: Logger;
  /** This client's ID; null before the first call was answered. */
  readonly clientId: () => string | null;
  /** Sends over any tunnel; false when none is up. */
  readonly send: (control: Control) => boolean;
}

interface Wanted {
  readonly since: number;
  askedAt: number;
  refusal: MaterialRefusal | null;
}

interface Waiter {
  readonly references: readonly CertificateReference[];
  readonly settle: () => void;
}

/** One for each gateway. */
export class Certificates {
  readonly #parts: CertificatesParts;
  readonly #held = new Map<string, Material>();
  /** What each tunnel's node says is needed; null where it could not name all. */
  readonly #needed = new Map<object, ReadonlyMap<string, number> | null>();
  /** The tunnel that ended last of all; what it named counts until another names something. */
  #last: object | null = null;
  readonly #wanted = new Map<string, Wanted>();
  readonly #waiters = new Set<Waiter>();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: CertificatesParts) {
    this.#parts = parts;
  }

  /** How many are held. */
  get size(): number {
    return this.#held.size;
  }

  /**
   * The contents of these, in their order, at least as new as said. Waits for those that are on their way; rejects with
   * `CLIENT_CERTIFICATE_MISSING` when certstore does not give one, or none has come in `deadlineMs`.
   */
  async material(
    references: readonly CertificateReference[],
    deadlineMs: number = materialDeadlineMs,
  ): Promise<Material[]> {
    if (!references.every((one) => this.#isHeld(one))) {
      await this.#wait(references, Math.min(deadlineMs, this.#patienceMs(references)));
    }
    return references.map((one) => {
      const held = this.#held.get(one.id);
      // An older one is better than none: its certstore is gone, or slow.
      if (held !== undefined) return held;
      const refusal = this.#wanted.get(one.id)?.refusal ?? null;
      throw new ClientError(
        'CLIENT_CERTIFICATE_MISSING',
        refusal === null
          ? `the certificate ${one.id} has not come from certstore in ${deadlineMs} ms`
          : `the platform does not give the certificate ${one.id}: ${refusal.code}: ${refusal.message}`,
      );
    });
  }

  /** The contents of these, in the newest revision that a node has named; the wait ends with the signal too. */
  async source(ids: readonly string[], signal: AbortSignal): Promise<Material[]> {
    signal.throwIfAborted();
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort);
    const references = ids.map((id) => ({ id, revision: this.#newest(id) }));
    return Promise.race([this.material(references), aborted]).finally(() =>
      signal.removeEventListener('abort', onAbort),
    );
  }

  /** A node names what is needed, sends one, or refuses one; false when the frame is about something else. */
  handleControl(tunnel: object, control: Control): boolean {
    switch (control.kind) {
      case 'certificates':
        this.#handleNeeded(tunnel, control);
        return true;
      case 'material':
        void this.#handleMaterial(control);
        return true;
      case 'materialRefused':
        this.#handleRefusal(control);
        return true;
      default:
        return false;
    }
  }

  /** The tunnel is gone. What it named counts no more, unless it was the last. */
  forgetTunnel(tunnel: object): void {
    if (!this.#needed.has(tunnel)) return;
    if (this.#needed.size === 1) this.#last = tunnel;
    else {
      this.#needed.delete(tunnel);
      this.#drop();
    }
  }

  /** Drops everything. */
  close(): void {
    clearTimeout(this.#timer);
    this.#held.clear();
    this.#needed.clear();
    this.#wanted.clear();
    for (const { settle } of this.#waiters) settle();
    this.#waiters.clear();
  }

  #handleNeeded(tunnel: object, { items, whole }: Extract<Control, { kind: 'certificates' }>): void {
    if (this.#last !== null) this.#needed.delete(this.#last);
    this.#last = null;
    this.#needed.set(tunnel, whole ? new Map(items.map(({ id, revision }) => [id, revision])) : null);
    this.#drop();
    this.#ask(items.filter((one) => !this.#isHeld(one) || this.#isPast(one.id)).map(({ id }) => id));
  }

  async #handleMaterial(item: SealedMaterial): Promise<void> {
    if (!this.#wanted.has(item.id)) return;
    try {
      this.#parts.trust.check(item, await this.#parts.sealing.thumbprint());
      const material: unknown = JSON.parse(await this.#parts.sealing.open(item.sealed));
      if (!materialCheck.Check(material) || material.id !== item.id || material.revision !== item.revision) {
        throw new ClientError(
          'CLIENT_MATERIAL_BROKEN',
          `the contents of the certificate ${item.id} are not what they say`,
        );
      }
      this.#hold(material);
    } catch (error) {
      this.#parts.logger.error(
        { certificateId: item.id, cause: errorText(error) },
        'contents of a certificate were not taken',
      );
    }
  }

  #hold(material: Material): void {
    const former = this.#held.get(material.id);
    this.#wanted.delete(material.id);
    if (former !== undefined && former.revision >= material.revision && !this.#isPast(material.id)) return;
    if (former === undefined && this.#held.size >= certificatesHeldMax) return;
    // The destination that named it when it was asked for may be gone.
    if (!this.#isNeeded(material.id) && !this.#awaited().has(material.id)) return;
    this.#held.set(material.id, material);
    const { id: certificateId, revision, fingerprint, notAfter, proxy } = material;
    this.#parts.logger.info(
      { certificateId, revision, ...(proxy === undefined ? { fingerprint, notAfter } : {}) },
      `${proxy === undefined ? 'a certificate' : 'a password of a proxy'} came from certstore`,
    );
    this.#settle();
  }

  #handleRefusal({ id, code, message }: MaterialRefusal): void {
    const wanted = this.#wanted.get(id);
    if (wanted === undefined) return;
    wanted.refusal = { id, code, message };
    this.#parts.logger.warn(
      { certificateId: id, code },
      `the platform does not give a certificate: ${message}`,
    );
    this.#settle();
  }

  #isHeld({ id, revision }: CertificateReference): boolean {
    return (this.#held.get(id)?.revision ?? 0) >= revision;
  }

  /** Newer than any node names: certstore was restored from a backup, and what it has counts. */
  #isPast(id: string): boolean {
    const named = [...this.#needed.values()].map((needed) => needed?.get(id) ?? 0);
    const newest = Math.max(0, ...named);
    return newest > 0 && (this.#held.get(id)?.revision ?? 0) > newest;
  }

  /** Where an older one is here of each, the wait is short, and over soon after the newer was first asked for. */
  #patienceMs(references: readonly CertificateReference[]): number {
    const lacking = references.filter((one) => !this.#isHeld(one));
    if (!lacking.every(({ id }) => this.#held.has(id))) return Infinity;
    const now = performance.now();
    return Math.max(
      0,
      ...lacking.map(({ id }) => newerDeadlineMs - (now - (this.#wanted.get(id)?.since ?? now))),
    );
  }

  async #wait(references: readonly CertificateReference[], deadlineMs: number): Promise<void> {
    if (this.#waiters.size >= waitersMax) {
      throw new ClientError(
        'CLIENT_CERTIFICATE_MISSING',
        `${waitersMax} streams wait for certificates already`,
      );
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { references, settle: resolve };
    this.#waiters.add(waiter);
    const timer = setTimeout(resolve, deadlineMs);
    this.#ask(references.filter((one) => !this.#isHeld(one)).map(({ id }) => id));
    this.#settle();
    await promise;
    clearTimeout(timer);
    this.#waiters.delete(waiter);
  }

  /** A waiter is done when each of its certificates is here or refused. */
  #settle(): void {
    for (const { references, settle } of this.#waiters) {
      const isOver = (one: CertificateReference): boolean =>
        this.#isHeld(one) || (this.#wanted.get(one.id)?.refusal ?? null) !== null;
      if (references.every(isOver)) settle();
    }
  }

  #ask(ids: readonly string[]): void {
    const now = performance.now();
    const due = [...new Set(ids)].filter((id) => {
      const wanted = this.#wanted.get(id);
      return wanted === undefined || wanted.refusal !== null || now - wanted.askedAt >= questionMs;
    });
    const clientId = this.#parts.clientId();
    if (due.length === 0 || clientId === null) return;
    const { sealing } = this.#parts;
    for (let index = 0; index < due.length; index += materialsPerQuestionMax) {
      const batch = due.slice(index, index + materialsPerQuestionMax);
      const signature = sealing.signature(clientId);
      this.#parts.send({ kind: 'materialWanted', ids: batch, sealingKey: sealing.publicKey, signature });
    }
    for (const id of due) {
      this.#wanted.set(id, { since: this.#wanted.get(id)?.since ?? now, askedAt: now, refusal: null });
    }
    this.#timer ??= setTimeout(() => this.#askAgain(), questionMs).unref();
  }

  /** What has not come is asked for again while somebody needs it. */
  #askAgain(): void {
    this.#timer = undefined;
    const awaited = this.#awaited();
    for (const id of this.#wanted.keys())
      if (!awaited.has(id) && !this.#isNeeded(id)) this.#wanted.delete(id);
    this.#ask([...this.#wanted.keys()]);
    if (this.#wanted.size > 0) this.#timer ??= setTimeout(() => this.#askAgain(), questionMs).unref();
  }

  #drop(): void {
    if ([...this.#needed.values()].includes(null)) return;
    for (const id of this.#held.keys()) {
      if (this.#isNeeded(id)) continue;
      this.#held.delete(id);
      this.#parts.logger.info({ certificateId: id }, 'a certificate is no longer needed and was dropped');
    }
  }

  #newest(id: string): number {
    return Math.max(1, ...[...this.#needed.values()].map((needed) => needed?.get(id) ?? 1));
  }

  /** What streams wait for, which may have heard of it before a node named it here. */
  #awaited(): Set<string> {
    return new Set([...this.#waiters].flatMap(({ references }) => references.map(({ id }) => id)));
  }

  #isNeeded(id: string): boolean {
    return [...this.#needed.values()].some((needed) => needed === null || needed.has(id));
  }
}
