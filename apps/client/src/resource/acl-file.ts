/** The file of the owner's own access list. */
import { type AccessList, aclFileBytesMax, compileAccessList, parseAclFile } from '@postern/access';
import { readBoundedText } from '@postern/config';
import { errorText } from '@postern/dial';
import { ClientError } from '../errors.ts';

/** The owner's list from its file. Throws ClientError that names the file and what is wrong in it. */
export function readAclFile(path: string): AccessList {
  try {
    return compileAccessList(parseAclFile(readBoundedText(path, aclFileBytesMax)));
  } catch (error) {
    throw new ClientError(
      'CLIENT_ACL_FILE_INVALID',
      `the access-list file ${path} cannot be used: ${errorText(error)}`,
      { cause: error },
    );
  }
}
