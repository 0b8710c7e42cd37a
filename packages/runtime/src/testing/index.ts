export { startContainerd } from "./containerd.js";
export { type CRIClient, call, connectCRI } from "./cri-client.js";
export { type CRIContractFactory, runCRIContract } from "./cri-contract.js";
export { createTestNode, type RuntimeStarter, startLenjRuntime } from "./node-harness.js";
export { type TestFile, type TestImage, type TestLogin, TestRegistry, type TestTLS } from "./test-registry.js";
