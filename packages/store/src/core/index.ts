export { type Alarm, Alarms } from "./alarms.js";
export type {
  AlarmAnswer,
  Answer,
  AuthenticateAnswer,
  DeleteRangeAnswer,
  DoneAnswer,
  LeaseGrantAnswer,
  OpAnswer,
  PutAnswer,
  RangeAnswer,
  TxnAnswer,
} from "./answers.js";
export { type AuthIdentity, AuthState, nobody } from "./auth/auth-state.js";
export { authorizeCommand } from "./auth/authorize.js";
export { SimpleTokens } from "./auth/simple-tokens.js";
export {
  type Command,
  type CommandHeader,
  decodeApplied,
  decodeCommandBody,
  decodeCommandHeader,
  encodeApplied,
  encodeCommand,
} from "./command.js";
export { isStoreError, StoreError, type StoreErrorCode, toGrpcStatus } from "./errors.js";
export { type MemberRecord, Membership } from "./membership.js";
export { readRange } from "./range-read.js";
export { checkDeleteRange, checkPut, checkRange, checkTxn, isReadOnlyTxn, isSerializableTxn } from "./request-checks.js";
export { StateMachine, type StateMachineOptions } from "./state-machine.js";
export { executeTxn, planTxn } from "./txn-execute.js";
