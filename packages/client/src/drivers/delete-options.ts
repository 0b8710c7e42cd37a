import type { DeleteOptions } from "../api-client.js";

/** DeleteOptions as a request body. */
export function encodeDeleteOptions(options: DeleteOptions): string {
  const { gracePeriodSeconds, propagationPolicy, preconditions } = options;
  return JSON.stringify({
    kind: "DeleteOptions",
    apiVersion: "v1",
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    ...(propagationPolicy !== undefined && { propagationPolicy }),
    ...(preconditions !== undefined && { preconditions }),
  });
}
