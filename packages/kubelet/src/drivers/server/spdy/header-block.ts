// SPDY/3 header blocks: name-value pairs, compressed with one zlib stream a direction and the protocol's dictionary.
// Source: SPDY protocol draft 3.1, §2.6.10.
import { constants, createDeflate, createInflate, type Deflate, type Inflate } from "node:zlib";

export type Headers = Readonly<Record<string, string>>;

const dictionaryWords = (
  "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow authorization cache-control connection " +
  "content-base content-encoding content-language content-length content-location content-md5 content-range content-type date etag expect expires from host " +
  "if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization " +
  "range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get status"
).split(" ");
const dictionaryTail =
  "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Information204 No Content301 Moved Permanently" +
  "400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec " +
  "00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=" +
  "gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

/** 1423 bytes, Adler-32 e3c6a7c2. */
export const dictionary = Buffer.concat([
  ...[...dictionaryWords, "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"].flatMap((word) => [
    lengthOf(word),
    Buffer.from(word),
  ]),
  Buffer.from(dictionaryTail),
]);

function lengthOf(text: string): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(Buffer.byteLength(text));
  return bytes;
}

/** Both directions of one connection. Blocks must be encoded and decoded in the order of their frames. */
export class HeaderCodec {
  readonly #deflate: Deflate = createDeflate({ dictionary });
  readonly #inflate: Inflate = createInflate({ dictionary });

  async encode(headers: Headers): Promise<Buffer> {
    const entries = Object.entries(headers);
    const count = Buffer.alloc(4);
    count.writeUInt32BE(entries.length);
    const plain = Buffer.concat([
      count,
      ...entries.flatMap(([name, value]) => [lengthOf(name), Buffer.from(name), lengthOf(value), Buffer.from(value)]),
    ]);
    return pump(this.#deflate, plain);
  }

  async decode(block: Buffer): Promise<Headers> {
    const plain = await pump(this.#inflate, block);
    const headers: Record<string, string> = {};
    let at = 4;
    const text = (): string => {
      const length = plain.readUInt32BE(at);
      at += 4 + length;
      return plain.subarray(at - length, at).toString("utf8");
    };
    for (let left = plain.readUInt32BE(0); left > 0; left -= 1) {
      const name = text();
      headers[name.toLowerCase()] = text();
    }
    return headers;
  }

  close(): void {
    this.#deflate.destroy();
    this.#inflate.destroy();
  }
}

function pump(stream: Deflate | Inflate, input: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const onData = (chunk: Buffer): void => void chunks.push(chunk);
    stream.on("data", onData);
    stream.once("error", reject);
    stream.write(input);
    stream.flush(constants.Z_SYNC_FLUSH, () => {
      stream.off("data", onData);
      stream.off("error", reject);
      resolve(Buffer.concat(chunks));
    });
  });
}
