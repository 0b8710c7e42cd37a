import type { Random } from "@lenj/base";

// No vowels and no look-alikes, so that no words come out. Upstream draws from the same set.
const alphabet = "bcdfghjklmnpqrstvwxz2456789";
const suffixLength = 5;
const nameLengthMax = 63;

/** `prefix` cut to 58 characters plus five random ones, as metadata.generateName asks for. */
export function generateName(prefix: string, random: Random): string {
  let name = prefix.slice(0, nameLengthMax - suffixLength);
  for (let position = 0; position < suffixLength; position += 1) name += alphabet[random.below(alphabet.length)];
  return name;
}

/** Random (version 4) UUID from an injected source. */
export function generateUID(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
