// Door to the Container Runtime Interface (proto/cri): messages, codecs, client and service definitions.
export * from "./gen/wire/cri/runtime/v1/api.js";
