export { createGrpcJsDriver } from "./drivers/grpc-js/grpc-js-driver.js";
export { ClientStream, type ClientStreamOptions, type ClientTLS } from "./drivers/lean/client/client-stream.js";
export { createLeanDriver, type LeanDriverOptions } from "./drivers/lean/lean-driver.js";
export { idlePageTimeoutMs, Listener, type ListenerOptions, type ListenerTLS, type ListenerTLSLimits } from "./listener.js";
export type {
  DuplexHandler,
  KeepAliveOptions,
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
