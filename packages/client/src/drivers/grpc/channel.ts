import { type ChannelCredentials, type ChannelOptions, credentials, type VerifyOptions } from "@grpc/grpc-js";
import { tlsPeerOf } from "@lenj/base";
import type { ClientConfig } from "../../config/client-config.js";

/** The largest message a server may send: a list chunk or one object, far above the 3 MiB limit of a request. */
const RECEIVE_BYTES_MAX = 64 * 1024 * 1024;

export function channelCredentials(config: ClientConfig): ChannelCredentials {
  if (config.server.startsWith("http://")) return credentials.createInsecure();
  const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  return credentials.createSsl(
    pem(config.caData),
    pem(config.clientKeyData),
    pem(config.clientCertificateData),
    config.insecureSkipTLSVerify === true ? { rejectUnauthorized: false, checkServerIdentity: () => undefined } : verifyOptions(config),
  );
}

function verifyOptions(config: ClientConfig): VerifyOptions {
  const { checkServerIdentity } = tlsPeerOf(config.grpcServer ?? "");
  return checkServerIdentity === undefined || config.tlsServerName !== undefined ? {} : { checkServerIdentity };
}

export function channelOptions(config: ClientConfig): ChannelOptions {
  const serverName = config.tlsServerName ?? tlsPeerOf(config.grpcServer ?? "").serverName;
  return {
    // A peer that vanished without a word (power, partition) is noticed within half a minute, as client-go's HTTP/2 health check does.
    "grpc.keepalive_time_ms": 15_000,
    "grpc.keepalive_timeout_ms": 10_000,
    // A restarted api-server is found again within seconds.
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 3_000,
    "grpc.max_receive_message_length": RECEIVE_BYTES_MAX,
    "grpc.max_send_message_length": RECEIVE_BYTES_MAX,
    // Nothing on this wire reads a service config from DNS.
    "grpc.service_config_disable_resolution": 1,
    ...(config.userAgent !== undefined && { "grpc.primary_user_agent": config.userAgent }),
    ...(serverName !== undefined && { "grpc.ssl_target_name_override": serverName }),
  };
}
