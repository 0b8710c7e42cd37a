// Addresses and CIDR ranges as numbers.

export type IPFamily = "IPv4" | "IPv6";

export interface IPRange {
  readonly family: IPFamily;
  /** As given, with host bits cleared: "10.96.0.0/16". */
  readonly text: string;
  readonly first: bigint;
  /** Number of addresses, the first and last included. */
  readonly size: bigint;
}

/** Throws Error for texts that are no CIDR. */
export function parseIPRange(text: string): IPRange {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text.trim());
  const address = match === null ? undefined : parseIP(match[1] as string);
  const prefixLength = Number(match?.[2]);
  if (address === undefined || prefixLength > address.bits) throw new Error(`invalid CIDR address: ${text}`);
  const hostBits = BigInt(address.bits - prefixLength);
  const first = (address.value >> hostBits) << hostBits;
  return { family: address.family, text: `${formatIP(first, address.family)}/${prefixLength}`, first, size: 1n << hostBits };
}

export function parseIP(text: string): { family: IPFamily; bits: 32 | 128; value: bigint } | undefined {
  if (text.includes(":")) {
    const value = parseIPv6(text);
    return value === undefined ? undefined : { family: "IPv6", bits: 128, value };
  }
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) return undefined;
  return { family: "IPv4", bits: 32, value: parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n) };
}

function parseIPv6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const groupsOf = (half: string | undefined): string[] => (half === undefined || half === "" ? [] : half.split(":"));
  const head = groupsOf(halves[0]);
  const tail = groupsOf(halves[1]);
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => "0"), ...tail];
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

/** The canonical text (RFC 5952 for IPv6). */
export function formatIP(value: bigint, family: IPFamily): string {
  if (family === "IPv4") return [24n, 16n, 8n, 0n].map((shift) => ((value >> shift) & 0xffn).toString()).join(".");
  const groups = Array.from({ length: 8 }, (_, position) => (value >> BigInt(112 - position * 16)) & 0xffffn).map((group) =>
    group.toString(16),
  );
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start += 1) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === "0") length += 1;
    if (length > best.length) best = { start, length };
  }
  if (best.start < 0) return groups.join(":");
  return `${groups.slice(0, best.start).join(":")}::${groups.slice(best.start + best.length).join(":")}`;
}

/** Addresses that may be given out: neither the network's own nor, for IPv4, its broadcast address. */
export function usableAddresses(range: IPRange): { first: bigint; count: bigint } {
  const reserved = range.family === "IPv4" ? 2n : 1n;
  return range.size <= reserved ? { first: range.first, count: 0n } : { first: range.first + 1n, count: range.size - reserved };
}

export function isUsable(range: IPRange, value: bigint): boolean {
  const { first, count } = usableAddresses(range);
  return value >= first && value < first + count;
}

/**
 * The lower part of a range is left to addresses that are asked for by name, so that chosen ones rarely collide with them.
 * Source: KEP-3070, max(16, min(256, size/16)).
 */
export function staticBand(count: bigint): bigint {
  if (count <= 16n) return 0n;
  const share = count / 16n;
  const offset = share < 16n ? 16n : share > 256n ? 256n : share;
  return offset >= count ? 0n : offset;
}
