/** What is wrong with an upload, as the thread that reads it finds it (`upload-reader.ts`). */
import type { CertstoreCode } from '../errors.ts';

/**
 * One fault, in one sentence for who uploaded. It is no `ServiceError`, which imports what crosses the bus: that takes
 * four times as long as to read the upload, and each has a thread of its own.
 */
export class UploadFault extends Error {
  readonly code: CertstoreCode;

  constructor(code: CertstoreCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UploadFault';
    this.code = code;
  }
}
