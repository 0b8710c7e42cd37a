// gRPC statuses and the header blocks of answers.
import type { RpcStatus } from "../../port.js";
import { encodeFields } from "./hpack/encoder.js";

export const statusCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  deadlineExceeded: 4,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const;

/** A failure whose status this driver itself chooses; texts are grpc-go's where it has one. */
export class StatusError extends Error implements RpcStatus {
  override readonly name = "StatusError";

  constructor(
    readonly code: number,
    readonly details: string,
  ) {
    super(details);
  }
}

/** An answer that is no call's: what the client asked for cannot be taken as one. */
export interface Refusal extends RpcStatus {
  readonly httpStatus: number;
  readonly acceptEncoding?: boolean;
}

export const acceptedEncodings = "identity,gzip";
const contentType = "application/grpc";

export const responseHeadersBlock = encodeFields([
  [":status", "200"],
  ["content-type", contentType],
]);
export const okTrailersBlock = encodeFields([["grpc-status", "0"]]);

/** After messages were sent. */
export function trailersBlock({ code, details }: RpcStatus): Buffer {
  return code === statusCode.ok && details === "" ? okTrailersBlock : encodeFields(statusFields(code, details));
}

/** Instead of headers, messages and trailers. */
export function trailersOnlyBlock({ code, details, httpStatus = 200, acceptEncoding = false }: RpcStatus & Partial<Refusal>): Buffer {
  return encodeFields([
    [":status", String(httpStatus)],
    ["content-type", contentType],
    ...(acceptEncoding ? ([["grpc-accept-encoding", acceptedEncodings]] as const) : []),
    ...statusFields(code, details),
  ]);
}

function statusFields(code: number, details: string): [string, string][] {
  return [["grpc-status", String(code)], ...(details === "" ? [] : [["grpc-message", encodeDetails(details)] as [string, string]])];
}

/** Percent-encoding as the gRPC over HTTP/2 protocol has it: all but printable ASCII, and "%" itself. */
export function encodeDetails(details: string): string {
  if (/^[\x20-\x24\x26-\x7e]*$/.test(details)) return details;
  let text = "";
  for (const byte of Buffer.from(details, "utf8")) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    text += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}
