/** The runtime's wire messages, as types only. */
export type * as cri from "@lenj/proto/cri";
