/** A text is cut to this many characters. Source: filters/warning.go. */
const textLengthMax = 256;

/** One Warning header value: `299 - "text"`, with quotes and backslashes escaped and control characters left out. */
export function formatWarning(text: string): string {
  const clean = [...text.replace(/\p{Cc}/gu, "")].slice(0, textLengthMax).join("");
  return `299 - "${clean.replace(/[\\"]/g, "\\$&")}"`;
}
