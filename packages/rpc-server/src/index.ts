export { createGrpcJsDriver } from "./drivers/grpc-js/grpc-js-driver.js";
export { Listener, type ListenerOptions, type ListenerTLS } from "./listener.js";
export type {
  DuplexHandler,
  RpcCall,
  RpcDriver,
  RpcDriverOptions,
  RpcDuplexStream,
  RpcHandlers,
  RpcMetadata,
  RpcMethod,
  RpcPeer,
  RpcServerStream,
  RpcService,
  RpcStatus,
  ServerStreamHandler,
  UnaryHandler,
} from "./port.js";
