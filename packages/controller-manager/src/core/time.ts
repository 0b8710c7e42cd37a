/** RFC 3339 with second precision, the form of metav1.Time. */
export function formatTime(wallMs: number): string {
  return `${new Date(wallMs).toISOString().slice(0, 19)}Z`;
}

/** Milliseconds since the epoch, or undefined for a missing time. */
export function parseTime(text: string | undefined | null): number | undefined {
  return text === undefined || text === null || text === "" ? undefined : Date.parse(text);
}
