// Filters are run here, instruction by instruction, as the kernel would.
import { syscallNumber } from "../launch/syscall-table.js";
import { compileSeccomp, type SeccompComparison, type SeccompProfile } from "./bpf.js";
import { runtimeDefaultProfile } from "./runtime-default.js";

const allow = 0x7fff0000;
const refuse = (errno: number): number => 0x00050000 | errno;
const x64 = 0xc000003e;

interface Call {
  readonly name?: string;
  readonly number?: number;
  readonly args?: readonly bigint[];
  readonly architecture?: number;
}

function verdict(filter: Uint8Array, { name, number, args = [], architecture = x64 }: Call): number {
  const facts = new DataView(new ArrayBuffer(64));
  facts.setUint32(0, number ?? (syscallNumber("x64", name ?? "") as number), true);
  facts.setUint32(4, architecture, true);
  for (const [position, value] of args.entries()) facts.setBigUint64(16 + 8 * position, value, true);
  const code = new DataView(filter.buffer, filter.byteOffset, filter.byteLength);
  let accumulator = 0;
  for (let at = 0; ; at += 1) {
    const value = code.getUint32(at * 8 + 4, true);
    const [yes, no] = [code.getUint8(at * 8 + 2), code.getUint8(at * 8 + 3)];
    switch (code.getUint16(at * 8, true)) {
      case 0x20:
        accumulator = facts.getUint32(value, true);
        break;
      case 0x54:
        accumulator = (accumulator & value) >>> 0;
        break;
      case 0x05:
        at += value;
        break;
      case 0x15:
        at += accumulator === value ? yes : no;
        break;
      case 0x25:
        at += accumulator > value ? yes : no;
        break;
      case 0x35:
        at += accumulator >= value ? yes : no;
        break;
      case 0x06:
        return value;
      default:
        throw new Error(`Unknown instruction at ${at}`);
    }
  }
}

describe("compileSeccomp", () => {
  const filter = compileSeccomp(
    {
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 13,
      syscalls: [{ names: ["read", "write", "open", "no_such_call"], action: "SCMP_ACT_ALLOW" }],
    },
    "x64",
  );
  it.each<[string, Call, number]>([
    ["a listed call", { name: "read" }, allow],
    ["another listed call", { name: "open" }, allow],
    ["one beside them", { name: "close" }, refuse(13)],
    ["a foreign architecture", { name: "read", architecture: 0x40000003 }, refuse(1)],
    ["the x32 interface", { number: 0x40000000 }, refuse(1)],
    ["a call newer than all known", { number: 5000 }, refuse(38)],
  ])("%s", (_, call, expected) => expect(verdict(filter, call)).toBe(expected));

  const big = 2n ** 33n + 5n;
  it.each<[SeccompComparison, bigint, bigint, boolean]>([
    ["SCMP_CMP_EQ", big, big, true],
    ["SCMP_CMP_EQ", big, 5n, false],
    ["SCMP_CMP_NE", big, 5n, true],
    ["SCMP_CMP_NE", big, big, false],
    ["SCMP_CMP_GT", big, big + 1n, true],
    ["SCMP_CMP_GT", big, big, false],
    ["SCMP_CMP_GT", big, 2n ** 34n, true],
    ["SCMP_CMP_GE", big, big, true],
    ["SCMP_CMP_GE", big, big - 1n, false],
    ["SCMP_CMP_LT", big, big - 1n, true],
    ["SCMP_CMP_LT", big, big, false],
    ["SCMP_CMP_LT", big, 6n, true],
    ["SCMP_CMP_LE", big, big, true],
    ["SCMP_CMP_LE", big, big + 1n, false],
  ])("%s of %i lets %i pass: %s", (op, value, argument, passes) => {
    const profile: SeccompProfile = {
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [{ names: ["kill"], action: "SCMP_ACT_ALLOW", args: [{ index: 1, value, op }] }],
    };
    const compiled = compileSeccomp(profile, "x64");
    expect(verdict(compiled, { name: "kill", args: [0n, argument] })).toBe(passes ? allow : refuse(1));
    expect(verdict(compiled, { name: "read" })).toBe(refuse(1));
  });
});

describe("runtimeDefaultProfile", () => {
  const of = (...capabilities: string[]): Uint8Array => compileSeccomp(runtimeDefaultProfile("x64", new Set(capabilities)), "x64");
  const newUserNamespace = 0x10000000n;
  it.each<[string, Call, string[], number]>([
    ["read", { name: "read" }, [], allow],
    ["mount", { name: "mount" }, [], refuse(1)],
    ["mount with SYS_ADMIN", { name: "mount" }, ["SYS_ADMIN"], allow],
    ["clone of a thread", { name: "clone", args: [0x3d0f00n] }, [], allow],
    ["clone of a namespace", { name: "clone", args: [newUserNamespace] }, [], refuse(1)],
    ["clone of a namespace with SYS_ADMIN", { name: "clone", args: [newUserNamespace] }, ["SYS_ADMIN"], allow],
    ["clone3, which falls back", { name: "clone3" }, [], refuse(38)],
    ["a machine socket", { name: "socket", args: [40n] }, [], refuse(1)],
    ["an internet socket", { name: "socket", args: [2n] }, [], allow],
    ["a common personality", { name: "personality", args: [0x20000n] }, [], allow],
    ["another personality", { name: "personality", args: [1n] }, [], refuse(1)],
    ["reboot", { name: "reboot" }, [], refuse(1)],
    ["reboot with SYS_BOOT", { name: "reboot" }, ["SYS_BOOT"], allow],
    ["keyctl", { name: "keyctl" }, ["SYS_ADMIN"], refuse(1)],
  ])("%s", (_, call, capabilities, expected) => expect(verdict(of(...capabilities), call)).toBe(expected));
});
