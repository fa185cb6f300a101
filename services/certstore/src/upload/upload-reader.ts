/**
 * Reads uploads in a thread of their own, one after the other. A file that is sealed with a passphrase says itself how
 * often that is hashed, a PKCS #12 for each of its parts and in JavaScript: what lasts for minutes would hold all that
 * this process does, on standalone each tunnel. Here it is ended when its time is over.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type CertificateContents, certificateUploadBytesMax } from '@postern/contracts';
import { TurnQueue } from '@postern/store';
import { certstoreError } from '../errors.ts';
import type { UploadFault } from './upload-fault.ts';
import type { UploadParts } from './upload.ts';

/** What the thread answers: everything as DER, keys as PKCS #8. */
export type UploadAnswer =
  | { certificates: Uint8Array[]; keys: Uint8Array[] }
  | Pick<UploadFault, 'code' | 'message'>;

/** How long one upload is read: less than who uploads waits for the answer (libs/contracts). */
export const readingMsMax = 8_000;
/** For files of 256 KiB in all, and what is made of them. */
const heapMbMax = 128;

/** The one thread of a process. */
export class UploadReader {
  readonly #turns = new TurnQueue();
  readonly #msMax: number;

  constructor(msMax: number = readingMsMax) {
    this.#msMax = msMax;
  }

  /** Reads all files. Rejects with a `CERTSTORE_…` refusal (400) for the first that is wrong, or that takes too long. */
  async read(contents: CertificateContents): Promise<UploadParts> {
    const bytes = contents.files.reduce((sum, file) => sum + Buffer.byteLength(file, 'base64'), 0);
    if (bytes > certificateUploadBytesMax)
      throw certstoreError(
        'CERTSTORE_TOO_LARGE',
        `the files have more than ${certificateUploadBytesMax} bytes`,
      );
    const answer = await this.#turns.run(() => readApart(contents, this.#msMax));
    if ('code' in answer) throw certstoreError(answer.code, answer.message);
    return {
      certificates: answer.certificates.map((der) => new X509Certificate(der)),
      keys: answer.keys.map((der) =>
        createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' }),
      ),
    };
  }
}

async function readApart(workerData: CertificateContents, msMax: number): Promise<UploadAnswer> {
  const worker = new Worker(new URL('./upload-worker.ts', import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: heapMbMax },
  });
  const signal = AbortSignal.timeout(msMax);
  try {
    const [answer] = (await once(worker, 'message', { signal })) as [UploadAnswer];
    return answer;
  } catch (cause) {
    if (!signal.aborted && (cause as NodeJS.ErrnoException).code !== 'ERR_WORKER_OUT_OF_MEMORY') throw cause;
    throw certstoreError(
      'CERTSTORE_TOO_LARGE',
      `the files cannot be read within ${msMax / 1000} s: seal the key with fewer iterations (2048 is usual), or upload it as PEM`,
      { cause },
    );
  } finally {
    void worker.terminate();
  }
}
