// Endpoints of a cluster and which of them to talk to.
//
// Owns:  one lazily dialled channel per endpoint, and the position of the preferred one.
// Not:   retries (call-retry.ts), streams (watch-stream.ts).
// P1. All calls prefer the same endpoint until someone reports that it failed.
// P2. A report about an endpoint that is no longer preferred changes nothing (many calls fail at once when a server dies).

import { type ChannelCredentials, Client, type ClientOptions, credentials } from "@grpc/grpc-js";
import { type TLSPeer, tlsPeerOf } from "@lenj/base";
import { EtcdError } from "./errors.js";
import type { EtcdClientOptions, EtcdTLS } from "./etcd-client.js";

const defaultKeepaliveMs = 30_000;
const keepaliveTimeoutMs = 10_000;
/** Bytes a server may send ahead per stream: a list or watch burst then needs no round trips for window updates. */
const flowControlWindowBytes = 4 * 1024 * 1024;

export interface Endpoint {
  readonly url: string;
  readonly client: Client;
}

export class ConnectionPool {
  readonly #endpoints: { readonly url: string; client: Client | undefined }[];
  readonly #tls: EtcdTLS | undefined;
  readonly #channelOptions: ClientOptions;
  #preferred = 0;
  #closed = false;

  constructor(options: EtcdClientOptions) {
    if (options.endpoints.length === 0) throw new EtcdError("INVALID_ARGUMENT", "etcdclient: no available endpoints");
    this.#endpoints = options.endpoints.map((url) => ({ url, client: undefined }));
    const schemes = new Set(options.endpoints.map((url) => parseEndpoint(url).scheme));
    if (schemes.size > 1) throw new EtcdError("INVALID_ARGUMENT", "Cannot mix http and https endpoints in one client");
    this.#tls = schemes.has("https") ? (options.tls ?? {}) : undefined;
    this.#channelOptions = {
      "grpc.keepalive_time_ms": options.keepaliveMs ?? defaultKeepaliveMs,
      "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
      "grpc.keepalive_permit_without_calls": 0,
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.min_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1_000,
      "grpc.enable_retries": 0,
      "grpc.service_config_disable_resolution": 1,
      "grpc-node.flow_control_window": flowControlWindowBytes,
      // Each client has connections of its own: its keepalive and its windows are not another's.
      "grpc.use_local_subchannel_pool": 1,
      ...(options.tls?.serverName === undefined
        ? {}
        : { "grpc.ssl_target_name_override": options.tls.serverName, "grpc.default_authority": options.tls.serverName }),
    };
  }

  get size(): number {
    return this.#endpoints.length;
  }

  /** The endpoint that calls should use now. */
  preferred(): Endpoint {
    return this.#dial(this.#preferred);
  }

  /** One endpoint by URL, as given in the options. */
  byURL(url: string): Endpoint {
    const position = this.#endpoints.findIndex((endpoint) => endpoint.url === url);
    if (position < 0) throw new EtcdError("INVALID_ARGUMENT", `Cannot call ${url}: not an endpoint of this client`);
    return this.#dial(position);
  }

  /** Says that nobody answered at `endpoint`: the next call prefers the one after it. */
  reportFailure(endpoint: Endpoint): void {
    if (this.#endpoints[this.#preferred]?.client !== endpoint.client) return;
    this.#preferred = (this.#preferred + 1) % this.#endpoints.length;
  }

  close(): void {
    this.#closed = true;
    for (const endpoint of this.#endpoints) {
      endpoint.client?.close();
      endpoint.client = undefined;
    }
  }

  #dial(position: number): Endpoint {
    if (this.#closed) throw new EtcdError("CLOSED", "etcd client is closed");
    const endpoint = this.#endpoints[position] as { readonly url: string; client: Client | undefined };
    endpoint.client ??= this.#connect(parseEndpoint(endpoint.url).target);
    return { url: endpoint.url, client: endpoint.client };
  }

  #connect(target: string): Client {
    if (this.#tls === undefined) return new Client(target, credentials.createInsecure(), this.#channelOptions);
    const peer: TLSPeer = this.#tls.serverName === undefined ? tlsPeerOf(target) : {};
    return new Client(target, createTLSCredentials(this.#tls, peer), {
      ...this.#channelOptions,
      ...(peer.serverName === undefined ? {} : { "grpc.ssl_target_name_override": peer.serverName }),
    });
  }
}

function createTLSCredentials(tls: EtcdTLS, { checkServerIdentity }: TLSPeer): ChannelCredentials {
  const pem = (material: string | Buffer | undefined): Buffer | null => (material === undefined ? null : Buffer.from(material));
  return credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert), checkServerIdentity === undefined ? {} : { checkServerIdentity });
}

function parseEndpoint(url: string): { readonly scheme: "http" | "https" | "unix"; readonly target: string } {
  const match = /^(https?|unix):\/\/(.+?)\/?$/.exec(url);
  const [scheme, rest] = [match?.[1], match?.[2]];
  if (rest === undefined || (scheme !== "http" && scheme !== "https" && scheme !== "unix")) {
    throw new EtcdError("INVALID_ARGUMENT", `Cannot parse endpoint "${url}": must be http://host:port or https://host:port`);
  }
  if (scheme === "unix") return { scheme, target: `unix:${rest}` };
  return { scheme, target: rest };
}
