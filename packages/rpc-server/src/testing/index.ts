export { runRpcServerContract } from "./driver-contract.js";
export { type DriverFactory, startTextServer, TextClient, type TextHandlers, type TextServer, textService } from "./text-service.js";
