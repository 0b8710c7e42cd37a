/**
 * The end of the half-open range that holds every key starting with `prefix`: the prefix with its last byte below 0xff
 * incremented and what follows dropped; one zero byte (meaning "no end") when there is none. Upstream: clientv3.GetPrefixRangeEnd.
 */
export function prefixEnd(prefix: Uint8Array): Buffer {
  for (let position = prefix.length - 1; position >= 0; position -= 1) {
    const byte = prefix[position] as number;
    if (byte < 0xff) {
      const end = Buffer.from(prefix.subarray(0, position + 1));
      end[position] = byte + 1;
      return end;
    }
  }
  return Buffer.from([0]);
}
