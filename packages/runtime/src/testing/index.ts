export { type CRIClient, call, connectCRI } from "./cri-client.js";
export { type TestFile, type TestImage, TestRegistry } from "./test-registry.js";
