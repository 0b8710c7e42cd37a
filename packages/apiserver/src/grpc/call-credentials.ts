import type { ServerUnaryCall, ServerWritableStream } from "@grpc/grpc-js";
import type { ClientCertificate, Credentials } from "../auth/ports.js";

type AnyCall = ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>;

/** What a call carries to prove who sent it. The library shows a certificate only if TLS verified it. */
export function callCredentials(call: AnyCall): Credentials {
  const header = (name: string): string | undefined => {
    const values = call.metadata.get(name).map(String);
    return values.length === 0 ? undefined : values.join(", ");
  };
  const token = /^Bearer\s+(\S+)\s*$/i.exec(header("authorization") ?? "")?.[1];
  return { clientCertificate: certificateOf(call), bearerToken: token, header };
}

export function userAgentOf(call: AnyCall): string {
  return String(call.metadata.get("user-agent")[0] ?? "");
}

function certificateOf(call: AnyCall): ClientCertificate | undefined {
  const certificate = call.getAuthContext().sslPeerCertificate;
  if (certificate === undefined) return undefined;
  const { CN, O } = certificate.subject as unknown as { CN?: string | string[]; O?: string | string[] };
  return {
    verified: true,
    commonName: (Array.isArray(CN) ? CN[0] : CN) ?? "",
    organizations: O === undefined ? [] : Array.isArray(O) ? O : [O],
    raw: certificate.raw,
  };
}
