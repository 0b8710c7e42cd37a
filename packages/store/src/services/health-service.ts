// grpc.health.v1.Health: the server as a whole, under the empty name; etcd names no other service.
import { healthpb } from "@lenj/proto/etcd";
import type { RpcHandlers, RpcServerStream } from "@lenj/rpc-server";
import { StoreError } from "../core/errors.js";
import type { ServiceContext } from "./context.js";

const { HealthCheckResponse_ServingStatus: ServingStatus } = healthpb;

export function healthService({ streams }: Pick<ServiceContext, "streams">): RpcHandlers {
  return {
    check: ({ service }: healthpb.HealthCheckRequest): healthpb.HealthCheckResponse => {
      if (service !== "") throw new StoreError("HEALTH_SERVICE_UNKNOWN");
      return { status: ServingStatus.SERVING };
    },
    watch: ({ service }: healthpb.HealthCheckRequest, stream: RpcServerStream<healthpb.HealthCheckResponse>): void => {
      const open = {
        close: (): void => {
          if (service === "") stream.write({ status: ServingStatus.NOT_SERVING });
          stream.end();
        },
      };
      streams.add(open);
      stream.onClose = () => streams.delete(open);
      stream.write({ status: service === "" ? ServingStatus.SERVING : ServingStatus.SERVICE_UNKNOWN });
    },
  };
}
