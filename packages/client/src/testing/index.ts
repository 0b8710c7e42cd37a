export { FakeApiClient, type FakeApiClientOptions, type FakeCall, type FakeVerb } from "./fake-api-client.js";
export { matchesFieldSelector, matchesLabelSelector } from "./selectors.js";
export { settle } from "./settle.js";
