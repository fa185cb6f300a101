/**
 * Certificates. certstore owns them; a private key goes in, sealed on its way, and never comes back. Files come as JSON
 * (PEM as text, anything as base64) or as a form.
 */
import type { Bus } from '@postern/bus';
import {
  Certificate,
  CertificateDownload,
  type CertificateContents,
  GenerateInput,
  KeyRotation,
  ask,
  certificateUploadBytesMax,
  createCertificate,
  deleteCertificate,
  generateCertificate,
  getCertificate,
  getKeyRotation,
  lineOf,
  listCertificates,
  startKeyRotation,
  updateCertificate,
} from '@postern/contracts';
import { Type, type Static } from 'typebox';
import { askToChange } from '../change.ts';
import { answerKey, withSealed } from '../certstore-intake.ts';
import { adminError } from '../errors.ts';
import { endpoint, type Endpoint } from '../http/endpoint.ts';
import { expectedRevision } from '../http/entity-tag.ts';
import { PageQuery, pageAnswer, pageRequest } from '../http/page.ts';
import { answerOf, bodyOf, param, withRevision } from '../http/shape.ts';

const CertificateAnswer = answerOf('Certificate', Certificate.properties);
const GeneratedAnswer = answerOf('GeneratedCertificate', {
  ...Certificate.properties,
  download: CertificateDownload,
});
const RotationAnswer = answerOf('KeyRotation', KeyRotation.properties);

const text = Type.String({ minLength: 1, maxLength: 256 * 1024 });
const contents = {
  pem: Type.Optional(
    Type.String({ ...text, description: 'certificates, and perhaps the key, in any order' }),
  ),
  keyPem: Type.Optional(Type.String({ ...text, description: 'the private key' })),
  files: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 350_000 }), {
      minItems: 1,
      maxItems: 16,
      description: 'PEM, DER or PKCS #12 as base64; the files of a form',
    }),
  ),
  passphrase: Type.Optional(
    Type.String({ maxLength: 1024, description: 'opens an encrypted key or PKCS #12 file' }),
  ),
};
const name = lineOf({ minLength: 1, maxLength: 128 });
const UploadBody = bodyOf('NewCertificate', { name, ...contents });
const UpdateBody = bodyOf('CertificatePatch', { name: Type.Optional(name), ...contents });
const tag = 'Certificates';
const path = '/certificates';

/** The calls on certificates, and on the key that they are encrypted under. */
export function certificateEndpoints(bus: Bus): Endpoint[] {
  const read = (id: string): Promise<Certificate> => ask(bus, getCertificate, { id });
  const revisionOf = async (id: string): Promise<number> => (await read(id)).revision;
  return [
    endpoint({
      method: 'GET',
      path,
      operationId: 'listCertificates',
      tag,
      summary: 'All certificates, without their keys',
      query: PageQuery,
      status: 200,
      answer: pageAnswer(CertificateAnswer),
      handle: async ({ query }) => ({ body: await ask(bus, listCertificates, pageRequest(query)) }),
    }),
    endpoint({
      method: 'POST',
      path,
      operationId: 'createCertificate',
      tag,
      summary: 'Upload a certificate, with its chain and key, or CAs to verify by',
      description:
        'As JSON (`pem`, `keyPem`, or any files as base64) or as a form with files. Key and chain may be in any ' +
        'order. What is wrong with them is told in one sentence, of several files with the number of the one (`pem` and ' +
        '`keyPem` before `files`). It belongs to no gateway: a key that is for certain gateways may name it once a key ' +
        'for all has named it in a destination of theirs.',
      multipart: true,
      body: UploadBody,
      status: 201,
      answer: CertificateAnswer,
      handle: async ({ body }) => {
        const uploaded = contentsOf(body);
        if (uploaded === null) throw nothingUploaded();
        const certificate = await withSealed(bus, uploaded, (sealed) =>
          ask(bus, createCertificate, { name: body.name, sealed }),
        );
        return { body: certificate, revision: certificate.revision, location: `${path}/${certificate.id}` };
      },
    }),
    endpoint({
      method: 'POST',
      path: `${path}/generate`,
      operationId: 'generateCertificate',
      tag,
      summary: 'Have a pair generated',
      description:
        'A server pair is of the platform’s CA, a client pair of the gateway’s. `download` has the private key: the ' +
        'only time that it is shown.',
      body: bodyOf('GenerateCertificate', GenerateInput.properties),
      status: 201,
      answer: GeneratedAnswer,
      handle: async ({ body }) => {
        const { recipient, open } = answerKey();
        const { certificate, sealedDownload } = await withSealed(bus, body, (sealed) =>
          ask(bus, generateCertificate, { sealed, recipient }),
        );
        return {
          body: { ...certificate, download: await open(sealedDownload) },
          revision: certificate.revision,
          location: `${path}/${certificate.id}`,
        };
      },
    }),
    endpoint({
      method: 'GET',
      path: `${path}/:certificateId`,
      operationId: 'getCertificate',
      tag,
      summary: 'One certificate, without its key',
      status: 200,
      answer: CertificateAnswer,
      handle: async (call) => {
        const certificate = await read(param(call, 'certificateId'));
        return { body: certificate, revision: certificate.revision };
      },
    }),
    endpoint({
      method: 'PATCH',
      path: `${path}/:certificateId`,
      operationId: 'updateCertificate',
      atNodes: true,
      tag,
      summary: 'Give a certificate another name, other contents, or both',
      description:
        'New connections take the new contents at once, open ones stay. Contents without a key keep the key that ' +
        'there is, when it is theirs.',
      conditional: true,
      multipart: true,
      body: UpdateBody,
      status: 200,
      answer: CertificateAnswer,
      handle: async (call) => {
        const id = param(call, 'certificateId');
        const revision = await expectedRevision(call.ifMatch, () => revisionOf(id));
        const { body } = call;
        const patch = body.name === undefined ? {} : { name: body.name };
        const change = (sealed: { sealed?: string }): Promise<Certificate> =>
          askToChange(
            bus,
            updateCertificate,
            { id, patch, ...sealed },
            { revision, current: () => read(id) },
          );
        const uploaded = contentsOf(body);
        const certificate =
          uploaded === null
            ? await change({})
            : await withSealed(bus, uploaded, (sealed) => change({ sealed }));
        return { body: certificate, revision: certificate.revision };
      },
    }),
    endpoint({
      method: 'DELETE',
      path: `${path}/:certificateId`,
      operationId: 'deleteCertificate',
      tag,
      summary: 'Delete a certificate that no destination names',
      conditional: true,
      status: 204,
      handle: async (call) => {
        const id = param(call, 'certificateId');
        const revision = await expectedRevision(call.ifMatch, () => revisionOf(id));
        await ask(bus, deleteCertificate, { id, ...withRevision(revision) });
        return {};
      },
    }),
    endpoint({
      method: 'GET',
      path: '/key-rotation',
      operationId: 'getKeyRotation',
      tag,
      summary: 'Which key-encryption keys there are, and how far the change to the newest has come',
      status: 200,
      answer: RotationAnswer,
      handle: async () => ({ body: await ask(bus, getKeyRotation, {}) }),
    }),
    endpoint({
      method: 'POST',
      path: '/key-rotation',
      operationId: 'startKeyRotation',
      tag,
      summary: 'Encrypt every secret under the newest key-encryption key',
      description: 'It runs in the background, and goes on where it was when certstore is started again.',
      status: 200,
      answer: RotationAnswer,
      handle: async () => ({ body: await ask(bus, startKeyRotation, {}) }),
    }),
  ];
}

/** What certstore is given; null when there is nothing. Throws ADMIN_BODY_TOO_LARGE. */
function contentsOf({
  pem,
  keyPem,
  files = [],
  passphrase,
}: Static<typeof UpdateBody>): CertificateContents | null {
  const texts = [pem, keyPem].filter((one) => one !== undefined);
  const all = [...texts.map((one) => Buffer.from(one).toString('base64')), ...files];
  if (all.length === 0) return null;
  // Here, since past this bound it does not fit what certstore is asked with.
  const bytes = all.reduce((sum, file) => sum + Buffer.byteLength(file, 'base64'), 0);
  if (bytes > certificateUploadBytesMax) {
    const rule = `all files of a certificate have at most ${certificateUploadBytesMax} bytes together`;
    throw adminError('ADMIN_BODY_TOO_LARGE', rule);
  }
  return { files: all, ...(passphrase === undefined || passphrase === '' ? {} : { passphrase }) };
}

function nothingUploaded(): Error {
  const errors = [{ path: '/pem', message: 'is required, where there are no files' }];
  return adminError('ADMIN_BODY_INVALID', 'there is no certificate in the body: give pem, or files', {
    errors,
  });
}
