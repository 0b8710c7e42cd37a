import { type Clock, SystemClock } from "@lenj/base";
import type { ApiClient } from "./api-client.js";
import type { ClientConfig } from "./config/client-config.js";

/**
 * Connects lazily: nothing is sent before the first call. gRPC where the config names a gRPC server, REST otherwise;
 * only the transport in use is loaded. The caller closes it.
 */
export async function createApiClient(config: ClientConfig, options: { readonly clock?: Clock } = {}): Promise<ApiClient> {
  const clock = options.clock ?? new SystemClock();
  const { grpcServer } = config;
  if (grpcServer !== undefined) {
    const { GrpcApiClient } = await import("./drivers/grpc/grpc-api-client.js");
    return new GrpcApiClient({ ...config, grpcServer }, clock);
  }
  const { RestApiClient } = await import("./drivers/rest/rest-api-client.js");
  return new RestApiClient(config, clock);
}
