// Between grpc-js and the services: one place where a failure becomes a status.
import { type handleUnaryCall, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Logger } from "@lenj/base";
import { isStoreError, storeErrorFrom, toGrpcStatus } from "../../core/errors.js";

export function serviceError(error: unknown): ServiceError {
  const { code, details } = toGrpcStatus(error);
  return Object.assign(new Error(details), { code, details, metadata: new Metadata() });
}

/** A unary handler from a function that answers or throws. */
export function unary<Request, Response>(
  logger: Logger,
  answer: (request: Request) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    (async () => answer(call.request))().then(
      (response) => callback(null, response),
      (error: unknown) => {
        if (!isStoreError(storeErrorFrom(error))) logger.error("Request failed unexpectedly", { path: call.getPath(), error });
        callback(serviceError(error));
      },
    );
  };
}
