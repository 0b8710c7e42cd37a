// The container's wishes over the image's, after containerd's CRI plugin.
import type { ContainerConfig, LinuxContainerSecurityContext } from "@lenj/proto/cri";
import { resolveUser } from "./accounts.js";
import { planCapabilities } from "./capabilities.js";
import { type ImageConfig, type ProcessInputs, planExecProcess, planProcess } from "./process-plan.js";
import { parseSignal, signalFromCRI, signalToCRI } from "./stop-signal.js";

const accounts = {
  passwd: "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n",
  group: "root:x:0:\nalice:x:1000:\nvideo:x:44:alice\n",
};
const plan = (
  config: Partial<ContainerConfig>,
  image: ImageConfig = { Cmd: ["sh"] },
  context: Partial<LinuxContainerSecurityContext> = {},
  more: Partial<ProcessInputs> = {},
) =>
  planProcess({
    config: {
      command: [],
      args: [],
      envs: [],
      workingDir: "",
      tty: false,
      ...config,
      linux: { securityContext: context },
    } as unknown as ContainerConfig,
    image,
    accounts,
    rights: { architecture: "x64", capabilities: 2n ** 41n - 1n, capabilityLast: 40, manyIDs: true, makesDevices: true },
    hostname: "pod",
    localhostSeccomp: undefined,
    ...more,
  });

describe("command and arguments", () => {
  const image = { Entrypoint: ["/entry"], Cmd: ["cmd"] };
  it.each([
    [{}, ["/entry", "cmd"]],
    [{ args: ["own"] }, ["/entry", "own"]],
    [{ command: ["/own"] }, ["/own"]],
    [{ command: ["/own"], args: ["arg"] }, ["/own", "arg"]],
  ])("%j run %j", (config, argv) => expect(plan(config, image).argv).toEqual(argv));
  it("are missing where nobody names any", () => expect(() => plan({}, {})).toThrow("no command specified"));
});

describe("environment", () => {
  it("is the image's under the container's, with PATH, HOME and HOSTNAME", () => {
    const { env } = plan({ envs: [{ key: "B", value: "own" }] as never }, { Cmd: ["sh"], Env: ["A=1", "B=image", "EMPTY"] });
    expect(env).toEqual([
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOSTNAME=pod",
      "A=1",
      "B=own",
      "EMPTY=",
      "HOME=/root",
    ]);
  });
  it("names a terminal", () => expect(plan({ tty: true }).env).toContain("TERM=xterm"));
});

describe("executables", () => {
  it.each([
    ["/bin/x", {}, ["/bin/x"]],
    ["./x", { workingDir: "/w" }, ["/w/./x"]],
    ["x", { envs: [{ key: "PATH", value: "/a:/b/:relative" }] }, ["/a/x", "/b/x"]],
  ])("%s is looked for", (command, config, paths) => {
    expect(plan({ command: [command], ...config } as Partial<ContainerConfig>).executables).toEqual(paths);
  });
  it("of an exec may not be empty", () => {
    expect(() => planExecProcess(plan({}), [], false)).toThrow("exec command is empty");
    expect(planExecProcess(plan({}), ["/x"], true).env).toContain("TERM=xterm");
  });
});

describe("accounts", () => {
  it.each([
    ["", 0, 0, [], "/root"],
    [":7", 0, 7, [], "/root"],
    ["alice", 1000, 1000, [44], "/home/alice"],
    ["1000", 1000, 1000, [44], "/home/alice"],
    ["5000", 5000, 0, [], "/"],
    ["alice:video", 1000, 44, [44], "/home/alice"],
    ["0:7", 0, 7, [], "/root"],
  ])("%j", (text, uid, gid, groups, home) => {
    expect(resolveUser(text, accounts)).toEqual({ uid, gid, groups, home });
  });
  it("need no files", () => expect(resolveUser("", { passwd: "", group: "" })).toEqual({ uid: 0, gid: 0, groups: [], home: "/" }));
  it.each([
    ["nobody", "no users found"],
    ["alice:nogroup", "no groups found"],
  ])("does not know %s", (text, message) => expect(() => resolveUser(text, accounts)).toThrow(message));

  it.each([
    ["the image's user", { User: "alice", Cmd: ["sh"] }, {}, [1000, 1000, [44, 1000]]],
    ["the container's before it", { User: "alice", Cmd: ["sh"] }, { runAsUser: { value: 0n } }, [0, 0, [0]]],
    ["its group", { Cmd: ["sh"] }, { runAsUser: { value: 1000n }, runAsGroup: { value: 7n } }, [1000, 7, [7, 44]]],
    ["more groups", { Cmd: ["sh"] }, { runAsUser: { value: 5n }, supplementalGroups: [9n] }, [5, 0, [0, 9]]],
    [
      "no groups of the image under Strict",
      { Cmd: ["sh"] },
      { runAsUser: { value: 1000n }, supplementalGroupsPolicy: 1 },
      [1000, 1000, [1000]],
    ],
  ])("run as %s", (_, image, context, expected) => {
    const { uid, gid, groups } = plan({}, image, context as Partial<LinuxContainerSecurityContext>);
    expect([uid, gid, groups]).toEqual(expected);
  });
  it("refuse a group without a user, and what one user ID cannot be", () => {
    expect(() => plan({}, undefined, { runAsGroup: { value: 7n } })).toThrow("user group is specified without user");
    const rights = { architecture: "x64", capabilities: 0n, capabilityLast: 40, manyIDs: false, makesDevices: false } as const;
    expect(() => plan({}, undefined, { runAsUser: { value: 5n } }, { rights })).toThrow("this node has one user ID only");
  });
});

describe("capabilities", () => {
  const all = 2n ** 41n - 1n;
  const request = { privileged: false, add: [], drop: [], addAmbient: [] };
  it.each([
    ["by default", {}, 0xa80425fbn],
    ["added", { add: ["NET_ADMIN"] }, 0xa80425fbn | (1n << 12n)],
    ["with prefix and in any case", { add: ["cap_net_admin"] }, 0xa80425fbn | (1n << 12n)],
    ["dropped", { drop: ["ALL"] }, 0n],
    ["dropped but one", { drop: ["ALL"], add: ["NET_BIND_SERVICE"] }, 1n << 10n],
    ["all", { add: ["ALL"] }, all],
    ["all but one", { add: ["ALL"], drop: ["CHOWN"] }, all & ~1n],
    ["of the privileged", { privileged: true }, all],
  ])("%s", (_, more, bounding) => expect(planCapabilities({ ...request, ...more }, all).bounding).toBe(bounding));
  it("are never more than the runtime's, and inherited only as ambient", () => {
    expect(planCapabilities({ ...request, privileged: true }, 5n).effective).toBe(5n);
    expect(planCapabilities({ ...request, addAmbient: ["KILL"] }, all)).toMatchObject({ ambient: 32n, inheritable: 32n });
    expect(planCapabilities(request, all).inheritable).toBe(0n);
  });
  it("have names", () => expect(() => planCapabilities({ ...request, add: ["FLY"] }, all)).toThrow('unknown capability "CAP_FLY"'));
});

describe("signals", () => {
  it.each([
    ["SIGTERM", 15],
    ["term", 15],
    ["9", 9],
    ["SIGRTMIN+3", 37],
    ["RTMAX-1", 63],
    ["SIGNOPE", undefined],
    ["65", undefined],
  ])("%s is %s", (text, number) => expect(parseSignal(text)).toBe(number));
  it("go by the CRI's names", () => {
    expect(signalFromCRI("SIGRTMINPLUS3")).toBe(37);
    expect([9, 34, 37, 63, 64].map(signalToCRI)).toEqual(["SIGKILL", "SIGRTMIN", "SIGRTMINPLUS3", "SIGRTMAXMINUS1", "SIGRTMAX"]);
  });
});
