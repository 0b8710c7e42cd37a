// Compiles a seccomp profile (the OCI runtime specification's form) to the kernel's classic BPF.
//
// S1. A call of a foreign architecture, or of the x32 interface, is refused with EPERM.
// S2. A call newer than every call the table knows answers ENOSYS, so that programs fall back to an older one.
// S3. Rules are tried in order; unconditional ones of equal action are merged into ranges of numbers.
// Source: seccomp(2), linux/filter.h; runc's libcontainer/seccomp/patchbpf for S2.
import { type Architecture, highestSyscallNumber, syscallNumber } from "../launch/syscall-table.js";

export type SeccompAction =
  | "SCMP_ACT_ALLOW"
  | "SCMP_ACT_ERRNO"
  | "SCMP_ACT_KILL"
  | "SCMP_ACT_KILL_THREAD"
  | "SCMP_ACT_KILL_PROCESS"
  | "SCMP_ACT_TRAP"
  | "SCMP_ACT_TRACE"
  | "SCMP_ACT_LOG";
export type SeccompComparison =
  | "SCMP_CMP_EQ"
  | "SCMP_CMP_NE"
  | "SCMP_CMP_LT"
  | "SCMP_CMP_LE"
  | "SCMP_CMP_GE"
  | "SCMP_CMP_GT"
  | "SCMP_CMP_MASKED_EQ";

export interface SeccompArgument {
  readonly index: number;
  readonly value: number | bigint;
  readonly valueTwo?: number | bigint;
  readonly op: SeccompComparison;
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly errnoRet?: number;
  /** All must hold. */
  readonly args?: readonly SeccompArgument[];
}

export interface SeccompProfile {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  readonly syscalls?: readonly SeccompRule[];
}

const auditArchitecture: Readonly<Record<Architecture, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };
const x32Bit = 0x40000000;
const eperm = 1;
const enosys = 38;

const loadWord = 0x20;
const jumpAlways = 0x05;
const jumpEqual = 0x15;
const jumpGreater = 0x25;
const jumpGreaterOrEqual = 0x35;
const and = 0x54;
const give = 0x06;

const actionValues: Readonly<Record<SeccompAction, number>> = {
  SCMP_ACT_ALLOW: 0x7fff0000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
};

interface Instruction {
  code: number;
  whenTrue: number;
  whenFalse: number;
  value: number;
}

/** The filter's instructions, 8 bytes each. Names that this CPU does not have are passed over. */
export function compileSeccomp(profile: SeccompProfile, architecture: Architecture): Uint8Array {
  const code: Instruction[] = [];
  const add = (opcode: number, value: number, whenTrue = 0, whenFalse = 0): void =>
    void code.push({ code: opcode, value, whenTrue, whenFalse });
  add(loadWord, 4);
  add(jumpEqual, auditArchitecture[architecture], 1, 0);
  add(give, actionValues.SCMP_ACT_ERRNO | eperm);
  add(loadWord, 0);
  if (architecture === "x64") {
    add(jumpGreaterOrEqual, x32Bit, 0, 1);
    add(give, actionValues.SCMP_ACT_ERRNO | eperm);
  }
  add(jumpGreater, highestSyscallNumber(architecture), 0, 1);
  add(give, actionValues.SCMP_ACT_ERRNO | enosys);
  const rules = profile.syscalls ?? [];
  for (const rule of rules.filter((candidate) => (candidate.args ?? []).length > 0)) code.push(...conditionalRule(rule, architecture));
  const numbersByAction = new Map<number, Set<number>>();
  for (const rule of rules.filter((candidate) => (candidate.args ?? []).length === 0)) {
    const value = actionValue(rule.action, rule.errnoRet);
    const numbers = numbersByAction.get(value) ?? new Set();
    for (const number of numbersOf(rule, architecture)) numbers.add(number);
    numbersByAction.set(value, numbers);
  }
  for (const [value, numbers] of numbersByAction) for (const [low, high] of rangesOf(numbers)) code.push(...rangeRule(low, high, value));
  add(give, actionValue(profile.defaultAction, profile.defaultErrnoRet));
  return encode(code);
}

function actionValue(action: SeccompAction, errnoRet: number | undefined): number {
  const base = actionValues[action];
  return action === "SCMP_ACT_ERRNO" || action === "SCMP_ACT_TRACE" ? base | ((errnoRet ?? eperm) & 0xffff) : base;
}

function numbersOf(rule: SeccompRule, architecture: Architecture): number[] {
  return rule.names.map((name) => syscallNumber(architecture, name)).filter((number) => number !== undefined);
}

function rangesOf(numbers: ReadonlySet<number>): [number, number][] {
  const ranges: [number, number][] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
}

function rangeRule(low: number, high: number, value: number): Instruction[] {
  if (low === high)
    return [
      { code: jumpEqual, value: low, whenTrue: 0, whenFalse: 1 },
      { code: give, value, whenTrue: 0, whenFalse: 0 },
    ];
  return [
    { code: jumpGreaterOrEqual, value: low, whenTrue: 0, whenFalse: 2 },
    { code: jumpGreater, value: high, whenTrue: 1, whenFalse: 0 },
    { code: give, value, whenTrue: 0, whenFalse: 0 },
  ];
}

/** Each name: skip unless the number matches, then check the arguments; the number is loaded again at the end. */
function conditionalRule(rule: SeccompRule, architecture: Architecture): Instruction[] {
  const value = actionValue(rule.action, rule.errnoRet);
  return numbersOf(rule, architecture).flatMap((number) => {
    const checks = (rule.args ?? []).map(argumentCheck);
    // Positions are counted back from the end of the block: a failing check goes to the reload of the number.
    const body: Instruction[] = [...checks.flat(), { code: give, value, whenTrue: 0, whenFalse: 0 }];
    for (const [position, instruction] of body.entries()) {
      const toEnd = body.length - position - 1;
      if (instruction.whenTrue === failTarget) instruction.whenTrue = toEnd;
      if (instruction.whenFalse === failTarget) instruction.whenFalse = toEnd;
    }
    const block = [...body, { code: loadWord, value: 0, whenTrue: 0, whenFalse: 0 }];
    return [
      { code: jumpEqual, value: number, whenTrue: 1, whenFalse: 0 },
      { code: jumpAlways, value: block.length, whenTrue: 0, whenFalse: 0 },
      ...block,
    ];
  });
}

const failTarget = -1;

/** Falls through when the comparison holds, else goes to failTarget. Arguments are 64 bit, the machine is 32 bit: high half first. */
function argumentCheck(argument: SeccompArgument): Instruction[] {
  const value = BigInt.asUintN(64, BigInt(argument.value));
  const high = Number(value >> 32n);
  const low = Number(value & 0xffffffffn);
  const lowOffset = 16 + 8 * argument.index;
  const load = (offset: number): Instruction => ({ code: loadWord, value: offset, whenTrue: 0, whenFalse: 0 });
  const jump = (code: number, operand: number, whenTrue: number, whenFalse: number): Instruction => ({
    code,
    value: operand,
    whenTrue,
    whenFalse,
  });
  switch (argument.op) {
    case "SCMP_CMP_EQ":
      return [load(lowOffset + 4), jump(jumpEqual, high, 0, failTarget), load(lowOffset), jump(jumpEqual, low, 0, failTarget)];
    case "SCMP_CMP_NE":
      return [load(lowOffset + 4), jump(jumpEqual, high, 0, 2), load(lowOffset), jump(jumpEqual, low, failTarget, 0)];
    case "SCMP_CMP_MASKED_EQ": {
      const wanted = BigInt.asUintN(64, BigInt(argument.valueTwo ?? 0));
      return [
        load(lowOffset + 4),
        { code: and, value: high, whenTrue: 0, whenFalse: 0 },
        jump(jumpEqual, Number(wanted >> 32n), 0, failTarget),
        load(lowOffset),
        { code: and, value: low, whenTrue: 0, whenFalse: 0 },
        jump(jumpEqual, Number(wanted & 0xffffffffn), 0, failTarget),
      ];
    }
    case "SCMP_CMP_GT":
      return [
        load(lowOffset + 4),
        jump(jumpGreater, high, 3, 0),
        jump(jumpEqual, high, 0, failTarget),
        load(lowOffset),
        jump(jumpGreater, low, 0, failTarget),
      ];
    case "SCMP_CMP_GE":
      return [
        load(lowOffset + 4),
        jump(jumpGreater, high, 3, 0),
        jump(jumpEqual, high, 0, failTarget),
        load(lowOffset),
        jump(jumpGreaterOrEqual, low, 0, failTarget),
      ];
    case "SCMP_CMP_LT":
      return [
        load(lowOffset + 4),
        jump(jumpGreater, high, failTarget, 0),
        jump(jumpEqual, high, 0, 2),
        load(lowOffset),
        jump(jumpGreaterOrEqual, low, failTarget, 0),
      ];
    case "SCMP_CMP_LE":
      return [
        load(lowOffset + 4),
        jump(jumpGreater, high, failTarget, 0),
        jump(jumpEqual, high, 0, 2),
        load(lowOffset),
        jump(jumpGreater, low, failTarget, 0),
      ];
  }
}

function encode(code: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(code.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [position, instruction] of code.entries()) {
    view.setUint16(position * 8, instruction.code, true);
    view.setUint8(position * 8 + 2, instruction.whenTrue);
    view.setUint8(position * 8 + 3, instruction.whenFalse);
    view.setUint32(position * 8 + 4, instruction.value >>> 0, true);
  }
  return bytes;
}
