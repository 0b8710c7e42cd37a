// Lease renewals of a client, on one gRPC stream.
//
// K1. Answers carry the lease's ID; several renewals of one lease in flight are answered in order.
// K2. A broken stream fails all waiting renewals as UNAVAILABLE: renewing again is always safe.
import { type ClientDuplexStream, Metadata, type ServiceError } from "@grpc/grpc-js";
import { etcdserverpb } from "@lenj/proto/etcd";
import { etcdErrorFromService } from "./call-retry.js";
import type { ConnectionPool, Endpoint } from "./connection-pool.js";
import { EtcdError } from "./errors.js";

type Stream = ClientDuplexStream<etcdserverpb.LeaseKeepAliveRequest, etcdserverpb.LeaseKeepAliveResponse>;
interface Waiter {
  readonly resolve: (response: etcdserverpb.LeaseKeepAliveResponse) => void;
  readonly reject: (error: unknown) => void;
}

export class KeepAliveStream {
  readonly #waiting = new Map<bigint, Waiter[]>();
  #stream: { readonly call: Stream; readonly endpoint: Endpoint } | undefined;

  constructor(private readonly pool: ConnectionPool) {}

  renew(id: bigint, signal: AbortSignal): Promise<etcdserverpb.LeaseKeepAliveResponse> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const waiter: Waiter = {
        resolve: (response) => {
          signal.removeEventListener("abort", onAbort);
          resolve(response);
        },
        reject: (error) => {
          signal.removeEventListener("abort", onAbort);
          reject(error as Error);
        },
      };
      // The slot stays queued after an abort, so that later answers still meet their own waiter.
      const onAbort = (): void => reject(signal.reason as Error);
      signal.addEventListener("abort", onAbort, { once: true });
      const { call } = (this.#stream ??= this.#connect());
      const waiters = this.#waiting.get(id);
      if (waiters === undefined) this.#waiting.set(id, [waiter]);
      else waiters.push(waiter);
      call.write({ ID: id });
    });
  }

  close(): void {
    const stream = this.#stream;
    this.#fail(new EtcdError("CLOSED", "etcd client is closed"));
    stream?.call.cancel();
  }

  #connect(): { readonly call: Stream; readonly endpoint: Endpoint } {
    const endpoint = this.pool.preferred();
    const { path, requestSerialize, responseDeserialize } = etcdserverpb.LeaseService.leaseKeepAlive;
    const call = endpoint.client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata());
    call.on("data", (response: etcdserverpb.LeaseKeepAliveResponse) => this.#onResponse(response));
    call.on("error", (error: ServiceError) => {
      if (this.#stream?.call !== call) return;
      this.pool.reportFailure(endpoint);
      this.#fail(etcdErrorFromService(error));
    });
    call.on("end", () => {
      if (this.#stream?.call === call) this.#fail(new EtcdError("UNAVAILABLE", "keep-alive stream ended"));
    });
    return { call, endpoint };
  }

  #onResponse(response: etcdserverpb.LeaseKeepAliveResponse): void {
    const waiters = this.#waiting.get(response.ID);
    waiters?.shift()?.resolve(response);
    if (waiters?.length === 0) this.#waiting.delete(response.ID);
  }

  #fail(error: EtcdError): void {
    this.#stream = undefined;
    const waiting = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    for (const waiter of waiting) waiter.reject(error);
  }
}
