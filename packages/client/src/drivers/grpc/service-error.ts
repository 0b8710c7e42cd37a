import { type ServiceError, status } from "@grpc/grpc-js";
import { ApiError, parseStatus, unavailableError } from "../../errors.js";

const STATUS_TRAILER = "lenj-status-bin";

/** gRPC codes that a server of ours sends only with a Status; without one they come from the transport or a proxy. */
const codeOf: Readonly<Partial<Record<status, { readonly code: number; readonly reason: string }>>> = {
  [status.UNAUTHENTICATED]: { code: 401, reason: "Unauthorized" },
  [status.PERMISSION_DENIED]: { code: 403, reason: "Forbidden" },
  [status.NOT_FOUND]: { code: 404, reason: "NotFound" },
  [status.UNIMPLEMENTED]: { code: 405, reason: "MethodNotAllowed" },
  [status.INVALID_ARGUMENT]: { code: 400, reason: "BadRequest" },
  [status.RESOURCE_EXHAUSTED]: { code: 429, reason: "TooManyRequests" },
  [status.INTERNAL]: { code: 500, reason: "InternalError" },
};

/** The Status object of the trailer decides; without one the call did not reach a handler. */
export function apiErrorFromServiceError(error: ServiceError | Error | null): ApiError {
  if (error === null) return unavailableError("the server closed the call without an answer");
  if (!("metadata" in error)) return unavailableError(error.message, error);
  const [trailer] = error.metadata?.get(STATUS_TRAILER) ?? [];
  const carried = trailer === undefined ? undefined : parseStatus(trailer.toString());
  if (carried !== undefined) return new ApiError(carried, { cause: error });
  const known = codeOf[error.code];
  if (known === undefined) return unavailableError(error.message, error);
  return new ApiError({ status: "Failure", ...known, message: error.details }, { cause: error });
}
