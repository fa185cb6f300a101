/**
 * Generates pairs. A server pair is of the platform's CA, for any name but the platform's own; a client pair is of a CA
 * that its gateway has for that and nothing else, so what it opens ends at that gateway. The key is stored like an
 * uploaded one, and leaves once, in the download.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { Bus } from '@postern/bus';
import {
  type Certificate,
  type CertificateDownload,
  GenerateInput,
  ask,
  getGateway,
} from '@postern/contracts';
import { demandClock, type Store } from '@postern/store';
import { TlsError, createSigningRequest, generateKey } from '@postern/tls';
import { strToU8, zipSync } from 'fflate';
import { Compile } from 'typebox/compile';
import type { LoadedAuthority } from './authority.ts';
import type { Certificates } from '../certificates.ts';
import { readContents } from '../upload/contents.ts';
import { certstoreError } from '../errors.ts';
import type { PlatformNames } from './name-policy.ts';
import { writePkcs12 } from '../upload/pkcs12-writer.ts';
import { readSubject } from '../upload/subject.ts';

const dayMs = 86_400_000;
const daysDefault = 365;
const dnsName = /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i;
const inputCheck = Compile(GenerateInput);

/** What it needs. */
export interface PairGeneratorParts {
  readonly bus: Bus;
  readonly store: Pick<Store, 'time'>;
  readonly certificates: Certificates;
  readonly platform: LoadedAuthority;
  /** The CA of client pairs of a gateway; of all gateways for null. */
  readonly clientAuthority: (gatewayId: string | null) => Promise<LoadedAuthority>;
  readonly names: PlatformNames;
  /** The names that nodes and services have certificates for beside the platform's host. */
  readonly servedNames: () => Promise<readonly string[]>;
  readonly now: () => Date;
}

/** Makes pairs. */
export class PairGenerator {
  readonly #parts: PairGeneratorParts;

  constructor(parts: PairGeneratorParts) {
    this.#parts = parts;
  }

  /** Makes one, stores it, and gives the only copy of its key. Throws `CERTSTORE_INVALID`, `CERTSTORE_NAME_REFUSED`, `STORE_CLOCK_OFF`. */
  async generate(body: unknown): Promise<{ certificate: Certificate; download: CertificateDownload }> {
    const input = checkInput(body);
    await demandClock(this.#parts.store);
    const authority = await this.#authority(input);
    const keyPem = await generateKey();
    const leafPem = await this.#issue(input, authority, keyPem);
    const chain = [leafPem, authority.certificatePem];
    const contents = readContents(
      { certificates: chain.map((pem) => new X509Certificate(pem)), keys: [createPrivateKey(keyPem)] },
      this.#parts.now(),
    );
    const issuerId = await this.#issuerId(input, authority);
    const certificate = await this.#parts.certificates.store(input.name, contents, issuerId);
    return { certificate, download: downloadOf(input, keyPem, chain) };
  }

  async #authority({ usage, gatewayId }: GenerateInput): Promise<LoadedAuthority> {
    if (usage === 'server') return this.#parts.platform;
    if (gatewayId !== undefined) await ask(this.#parts.bus, getGateway, { id: gatewayId });
    return this.#parts.clientAuthority(gatewayId ?? null);
  }

  async #issue(input: GenerateInput, authority: LoadedAuthority, keyPem: string): Promise<string> {
    const { days = daysDefault, usage, san = [] } = input;
    const subject = readSubject(input.subject);
    const wanted = usage === 'server' && isName(subject.commonName) ? [subject.commonName, ...san] : san;
    const all = [...new Set(wanted.map((name) => name.toLowerCase()))];
    const names = all.filter((name) => isIP(name) === 0);
    const addresses = all.filter((name) => isIP(name) !== 0);
    if (usage === 'server') {
      if (all.length === 0) throw invalid('/san', 'must name the hosts that the server is called by');
      this.#parts.names.refuseOwn(names, addresses, await this.#parts.servedNames());
    }
    const csrPem = await createSigningRequest({ keyPem, commonName: subject.commonName });
    const notAfter = new Date(this.#parts.now().getTime() + days * dayMs);
    const { commonName, attributes } = subject;
    try {
      return await authority.signer.issue({
        csrPem,
        names,
        addresses,
        usage,
        notAfter,
        commonName,
        attributes,
      });
    } catch (error) {
      throw error instanceof TlsError ? invalid('/san', error.message) : error;
    }
  }

  /** The CA as a certificate in the list, so that fronts can verify callers by it. */
  async #issuerId({ usage, gatewayId }: GenerateInput, authority: LoadedAuthority): Promise<string> {
    const { certificates, now } = this.#parts;
    const certificate = new X509Certificate(authority.certificatePem);
    const contents = readContents({ certificates: [certificate], keys: [] }, now());
    const of =
      usage === 'server'
        ? 'the platform'
        : gatewayId === undefined
          ? 'client pairs'
          : `client pairs of the gateway ${gatewayId}`;
    return certificates.storeOnce(`CA of ${of}`, contents);
  }
}

function checkInput(body: unknown): GenerateInput {
  if (!inputCheck.Check(body)) {
    const [fault] = inputCheck.Errors(body);
    throw invalid(fault?.instancePath || '/', fault?.message ?? 'is wrong');
  }
  const { format = 'zip', passphrase, usage, gatewayId } = body;
  if (format === 'p12' && passphrase === undefined) throw invalid('/passphrase', 'must be given for p12');
  if (passphrase !== undefined && !/^[\x20-\x7e]+$/.test(passphrase)) {
    throw invalid('/passphrase', 'must be printable ASCII, which all tools read alike');
  }
  if (usage === 'server' && gatewayId !== undefined) throw invalid('/gatewayId', 'is for client pairs');
  return body;
}

function downloadOf(
  { name, format = 'zip', passphrase }: GenerateInput,
  keyPem: string,
  chain: string[],
): CertificateDownload {
  const fileName = `${name.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[.-]+/, '') || 'pair'}.${format}`;
  if (format === 'p12') {
    const file = writePkcs12({ keyPem, chain, name, passphrase: passphrase ?? '' });
    return { fileName, mediaType: 'application/x-pkcs12', base64: file.toString('base64') };
  }
  const key =
    passphrase === undefined
      ? keyPem
      : createPrivateKey(keyPem).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase });
  const [leaf = '', ca = ''] = chain;
  const file = zipSync({
    'certificate.pem': strToU8(leaf),
    'key.pem': [strToU8(key), { os: 3, attrs: 0o100600 << 16 }],
    'ca.pem': strToU8(ca),
  });
  return { fileName, mediaType: 'application/zip', base64: Buffer.from(file).toString('base64') };
}

function isName(text: string): boolean {
  return isIP(text) !== 0 || (text.includes('.') && dnsName.test(text)) || text === 'localhost';
}

function invalid(path: string, message: string): Error {
  return certstoreError('CERTSTORE_INVALID', `${path} ${message}`, { errors: [{ path, message }] });
}
