// Unary calls: deadline, cancellation, and repetition where that is safe.
//
// R1. A read that nobody answered is repeated, on the next endpoint, until its deadline.
// R2. A write is repeated only when the request surely never left this process.
// R3. What a server answered on purpose (any other code) is final.
// Source: clientv3's retry interceptor (retryPolicy repeatable / nonRepeatable).
import { type CallOptions as GrpcCallOptions, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { type Clock, delay } from "@lenj/base";
import type { ConnectionPool, Endpoint } from "./connection-pool.js";
import { EtcdError, etcdErrorFromStatus } from "./errors.js";
import type { CallOptions } from "./etcd-client.js";

/** What is needed of a generated method definition. */
export interface UnaryMethod<Request, Response> {
  readonly path: string;
  readonly requestSerialize: (value: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

const backoffFirstMs = 20;
const backoffMaxMs = 500;

export interface RetryContext {
  readonly pool: ConnectionPool;
  readonly clock: Clock;
  readonly defaultTimeoutMs: number;
}

/** Calls until it succeeds, fails for good, or the deadline passes. `endpoint` pins the call to one member. */
export async function callUnary<Request, Response>(
  context: RetryContext,
  method: UnaryMethod<Request, Response>,
  request: Request,
  options: CallOptions & { readonly kind: "read" | "write"; readonly endpoint?: string },
): Promise<Response> {
  const { pool, clock } = context;
  const deadlineMs = clock.monotonicMs() + (options.timeoutMs ?? context.defaultTimeoutMs);
  for (let attempt = 0; ; attempt += 1) {
    options.signal?.throwIfAborted();
    const endpoint = options.endpoint === undefined ? pool.preferred() : pool.byURL(options.endpoint);
    try {
      return await callOnce(endpoint, method, request, { signal: options.signal, timeoutMs: deadlineMs - clock.monotonicMs() });
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof EtcdError) || error.code !== "UNAVAILABLE") throw error;
      pool.reportFailure(endpoint);
      if (options.kind === "write" && !error.surelyNotSent) throw error;
      const backoffMs = attempt < pool.size - 1 ? 0 : Math.min(backoffMaxMs, backoffFirstMs * 2 ** Math.min(10, attempt));
      if (clock.monotonicMs() + backoffMs >= deadlineMs) throw error;
      if (backoffMs > 0) await delay(clock, backoffMs, options.signal);
    }
  }
}

function callOnce<Request, Response>(
  endpoint: Endpoint,
  method: UnaryMethod<Request, Response>,
  request: Request,
  options: { readonly signal: AbortSignal | undefined; readonly timeoutMs: number },
): Promise<Response> {
  return new Promise((resolve, reject) => {
    // grpc-js takes its deadline as wall time; it is a duration by the time it reaches the wire.
    const grpcOptions: GrpcCallOptions = { deadline: Date.now() + Math.max(1, options.timeoutMs) };
    const onAbort = (): void => call.cancel();
    const call = endpoint.client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      grpcOptions,
      (error, response) => {
        options.signal?.removeEventListener("abort", onAbort);
        if (error === null) resolve(response as Response);
        else if (options.signal?.aborted === true) reject(options.signal.reason as Error);
        else reject(etcdErrorFromService(error));
      },
    );
    options.signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** Translates what grpc-js reports, telling apart what surely never left this process. */
export function etcdErrorFromService(error: ServiceError): EtcdError {
  const translated = etcdErrorFromStatus(error.code, error.details, error);
  if (error.code !== status.UNAVAILABLE || !isSurelyNotSent(error.details)) return translated;
  return new EtcdError(translated.code, translated.message, { grpcStatus: error.code, surelyNotSent: true, cause: error });
}

/** grpc-js's words for a pick or name resolution that failed before any stream existed. */
function isSurelyNotSent(details: string): boolean {
  return details.startsWith("No connection established") || details.startsWith("Name resolution failed");
}
