/** The text without what a terminal would interpret: names and messages come from elsewhere. */
export function plainText(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}
