// Equality of API objects by meaning. Source: k8s.io/apimachinery pkg/api/equality (Semantic).

/**
 * Deep equality of plain JSON data, in which null, undefined, a missing key and an empty list are the same.
 * Objects must be in normal form (quantities canonical), as they are after decoding.
 */
export function semanticEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  const left = isNothing(a);
  const right = isNothing(b);
  if (left || right) return left && right;
  if (typeof a !== "object" || typeof b !== "object") return Object.is(a, b);
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, position) => semanticEqual(item, b[position]));
  }
  const first = a as Record<string, unknown>;
  const second = b as Record<string, unknown>;
  for (const key of Object.keys(first)) if (!semanticEqual(first[key], second[key])) return false;
  for (const key of Object.keys(second)) if (!(key in first) && !isNothing(second[key])) return false;
  return true;
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}
