/** Values separated by commas. */
export function parseList(text: string): string[] {
  return text.split(",").filter((part) => part !== "");
}
