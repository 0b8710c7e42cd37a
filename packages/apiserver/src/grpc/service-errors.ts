// Status objects as gRPC failures: the nearest code, the text, and the whole Status in a trailer.
import { status as grpcStatus, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Status } from "@lenj/apimachinery";

const statusTrailer = "lenj-status-bin";

const byCode: Readonly<Record<number, grpcStatus>> = {
  400: grpcStatus.INVALID_ARGUMENT,
  401: grpcStatus.UNAUTHENTICATED,
  403: grpcStatus.PERMISSION_DENIED,
  404: grpcStatus.NOT_FOUND,
  405: grpcStatus.UNIMPLEMENTED,
  406: grpcStatus.INVALID_ARGUMENT,
  409: grpcStatus.ABORTED,
  410: grpcStatus.OUT_OF_RANGE,
  413: grpcStatus.RESOURCE_EXHAUSTED,
  415: grpcStatus.INVALID_ARGUMENT,
  422: grpcStatus.INVALID_ARGUMENT,
  429: grpcStatus.RESOURCE_EXHAUSTED,
  503: grpcStatus.UNAVAILABLE,
  504: grpcStatus.DEADLINE_EXCEEDED,
};

export function serviceErrorOf(status: Status): Partial<ServiceError> & Error {
  const metadata = new Metadata();
  metadata.set(statusTrailer, Buffer.from(JSON.stringify(status)));
  const code = status.reason === "AlreadyExists" ? grpcStatus.ALREADY_EXISTS : (byCode[status.code] ?? grpcStatus.INTERNAL);
  const details = status.message ?? "";
  return Object.assign(new Error(details), { code, details, metadata });
}
