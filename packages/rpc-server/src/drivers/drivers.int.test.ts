import { runRpcServerContract } from "../testing/index.js";
import { createGrpcJsDriver } from "./grpc-js/grpc-js-driver.js";
import { createLeanDriver } from "./lean/lean-driver.js";

runRpcServerContract("grpc-js", createGrpcJsDriver);
runRpcServerContract("lean", createLeanDriver);
