// Hash of a pod template, the suffix of ReplicaSet names. Source: pkg/controller ComputeHash (32-bit FNV-1a, safe encoded).
// The bytes hashed are ours (canonical JSON): the hash needs to be stable, not equal to another implementation's.
import { canonicalJSON } from "./canonical-json.js";

const SAFE_LETTERS = "bcdfghjklmnpqrstvwxz2456789";

export function templateHash(template: unknown, collisionCount = 0): string {
  let hash = fnv1a(0x811c9dc5, canonicalJSON(template));
  if (collisionCount > 0) hash = fnv1a(hash, String(collisionCount));
  return [...String(hash)].map((digit) => SAFE_LETTERS[digit.charCodeAt(0) % SAFE_LETTERS.length]).join("");
}

function fnv1a(seed: number, text: string): number {
  let hash = seed;
  for (let at = 0; at < text.length; at += 1) {
    hash ^= text.charCodeAt(at);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}
