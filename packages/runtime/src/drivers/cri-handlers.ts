// How a CRI handler answers: plain functions in, gRPC calls out, errors translated at this one place.
import { type handleUnaryCall, type ServerUnaryCall, status } from "@grpc/grpc-js";
import type { Logger } from "@lenj/base";
import { isRuntimeError, type RuntimeErrorCode } from "../core/errors.js";

const grpcCodes: Readonly<Record<RuntimeErrorCode, status>> = {
  NOT_FOUND: status.NOT_FOUND,
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  UNKNOWN: status.UNKNOWN,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  FAILED_PRECONDITION: status.FAILED_PRECONDITION,
  UNIMPLEMENTED: status.UNIMPLEMENTED,
  UNAVAILABLE: status.UNAVAILABLE,
  ALREADY_EXISTS: status.ALREADY_EXISTS,
};

/** Makes a gRPC handler of a function. Its signal is aborted when the client goes away. */
export function unary<Request, Response>(
  logger: Logger,
  name: string,
  handle: (request: Request, signal: AbortSignal) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return (call: ServerUnaryCall<Request, Response>, answer) => {
    const abort = new AbortController();
    call.on("cancelled", () => abort.abort(new Error("context canceled")));
    (async () => handle(call.request, abort.signal))().then(
      (response) => answer(null, response),
      (error: unknown) => {
        logger.debug("Call failed", { call: name, error });
        if (!isRuntimeError(error) && !abort.signal.aborted) logger.error("Call failed unexpectedly", { call: name, error });
        answer({
          code: isRuntimeError(error) ? grpcCodes[error.code] : status.UNKNOWN,
          details: error instanceof Error ? error.message : String(error),
        });
      },
    );
  };
}
