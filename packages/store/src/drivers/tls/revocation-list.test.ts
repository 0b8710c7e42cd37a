import { revokedSerials } from "./revocation-list.js";

/** DER of an element: tag, length, contents. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

const integer = (hex: string): Buffer => der(0x02, Buffer.from(hex, "hex"));
const time = der(0x17, Buffer.from("260101000000Z"));
const entry = (serial: string): Buffer => der(0x30, integer(serial), time);
const algorithm = der(0x30, der(0x06, Buffer.from("2a8648ce3d040302", "hex")));
const issuer = der(0x30);

function list(
  serials: readonly string[],
  options: { readonly version?: boolean; readonly next?: boolean; readonly extensions?: boolean } = {},
): Buffer {
  const body = der(
    0x30,
    ...(options.version === false ? [] : [integer("01")]),
    ...[algorithm, issuer, time],
    ...(options.next === false ? [] : [time]),
    ...(serials.length === 0 ? [] : [der(0x30, ...serials.map(entry))]),
    ...(options.extensions === true ? [der(0xa0, der(0x30))] : []),
  );
  return der(0x30, body, algorithm, der(0x03, Buffer.alloc(70)));
}

const pemOf = (bytes: Buffer): Buffer =>
  Buffer.from(`-----BEGIN X509 CRL-----\n${bytes.toString("base64").replace(/.{1,64}/g, "$&\n")}-----END X509 CRL-----\n`);

describe("revokedSerials()", () => {
  const serials = ["01", "00ff12", "7a".repeat(16), ...Array.from({ length: 30 }, (_, n) => `40${n.toString(16).padStart(4, "0")}`)];
  const shown = ["1", "FF12", "7A".repeat(16)];

  it.each([
    ["DER", list(serials)],
    ["PEM", pemOf(list(serials))],
    ["version 1 without next update", list(serials, { version: false, next: false })],
    ["extensions", list(serials, { extensions: true })],
  ])("finds them all: %s", (_form, file) => {
    const found = revokedSerials(file);
    expect([...found].slice(0, 3)).toEqual(shown);
    expect(found.size).toBe(serials.length);
  });

  it("takes a list without entries", () => {
    expect(revokedSerials(list([])).size).toBe(0);
    expect(revokedSerials(list([], { extensions: true })).size).toBe(0);
  });

  it("refuses what is cut short, at every byte, or is no list", () => {
    const whole = list(["01", "02"]);
    for (let length = 0; length < whole.length; length += 1)
      expect(() => revokedSerials(whole.subarray(0, length))).toThrow("Cannot read revocation list");
    expect(() => revokedSerials(Buffer.from("nonsense"))).toThrow("Cannot read revocation list");
    expect(() => revokedSerials(der(0x30, der(0x30, integer("01"))))).toThrow("Cannot read revocation list");
  });
});
