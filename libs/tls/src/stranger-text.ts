/** A stranger's text, such as the names in a certificate, in a message for people. */
const lengthMax = 200;

/** The text on one line, without control characters and formatting, and no longer than 200 characters. */
export function strangerText(text: string): string {
  return text
    .replaceAll('\n', ', ')
    .replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ')
    .slice(0, lengthMax)
    .trim();
}
