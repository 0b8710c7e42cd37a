// Serial numbers in a certificate revocation list (RFC 5280, section 5.1), in PEM or DER.
//
// Not:   its signature, issuer and dates: who may write the file decides, as for etcd.
// Source: etcd client/pkg/transport/listener_tls.go (checkCRL).

const tag = { integer: 0x02, sequence: 0x30, utcTime: 0x17, generalizedTime: 0x18 } as const;

interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

/** Serial numbers in hexadecimal, upper case, as certificates show them. Throws Error for what is no such list. */
export function revokedSerials(file: Buffer): ReadonlySet<string> {
  const pem = /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----/.exec(file.toString("latin1"))?.[1];
  const [list] = elementsOf(pem === undefined ? file : Buffer.from(pem, "base64"));
  const [toBeSigned] = elementsOf(contentOf(list));
  const parts = elementsOf(contentOf(toBeSigned));
  // Version (optional), algorithm, issuer, this update, next update (optional), then the entries.
  const lastTime = parts.findLastIndex(({ tag: found }) => found === tag.utcTime || found === tag.generalizedTime);
  if (lastTime < 0) throw malformed();
  const revoked = parts[lastTime + 1];
  if (revoked?.tag !== tag.sequence) return new Set();
  return new Set(elementsOf(revoked.content).map((entry) => serialOf(contentOf(entry))));
}

export const serialText = (hex: string): string => hex.replace(/^0+(?=.)/, "").toUpperCase();

function serialOf(entry: Buffer): string {
  const [serial] = elementsOf(entry);
  if (serial?.tag !== tag.integer) throw malformed();
  return serialText(serial.content.toString("hex"));
}

function contentOf(element: Element | undefined): Buffer {
  if (element?.tag !== tag.sequence) throw malformed();
  return element.content;
}

function elementsOf(bytes: Buffer): Element[] {
  const elements: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const lengthByte = bytes[at + 1] ?? 0;
    const lengthBytes = lengthByte < 0x80 ? 0 : lengthByte & 0x7f;
    const start = at + 2 + lengthBytes;
    if (lengthByte === 0x80 || lengthBytes > 4 || start > bytes.length) throw malformed();
    const length = lengthBytes === 0 ? lengthByte : bytes.readUIntBE(at + 2, lengthBytes);
    if (start + length > bytes.length) throw malformed();
    elements.push({ tag: bytes[at] as number, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return elements;
}

const malformed = (): Error => new Error("Cannot read revocation list: it is neither PEM nor DER of one");
