/** Runs in the thread of `upload-reader.ts`: reads one upload, answers, and ends. */
import { parentPort, workerData } from 'node:worker_threads';
import type { CertificateContents } from '@postern/contracts';
import { UploadFault } from './upload-fault.ts';
import { readUpload } from './upload.ts';
import type { UploadAnswer } from './upload-reader.ts';

function answer(): UploadAnswer {
  try {
    const { certificates, keys } = readUpload(workerData as CertificateContents);
    return {
      certificates: certificates.map(({ raw }) => raw),
      keys: keys.map((key) => key.export({ format: 'der', type: 'pkcs8' })),
    };
  } catch (error) {
    if (!(error instanceof UploadFault)) throw error;
    return { code: error.code, message: error.message };
  }
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin
parentPort?.postMessage(answer());
