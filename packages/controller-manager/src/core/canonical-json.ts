/** JSON with sorted keys and without undefined members, so that equal values give equal text. */
export function canonicalJSON(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJSON).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJSON(member)}`);
  return `{${members.join(",")}}`;
}

/** Equal as JSON, whatever the order of keys. */
export function isSameJSON(a: unknown, b: unknown): boolean {
  return a === b || canonicalJSON(a) === canonicalJSON(b);
}
