import type { corev1 } from "@lenj/proto/k8s";
import { container, pod } from "../../testing/pod-fixtures.js";
import { containerConfig } from "./container-config.js";
import { namespaceMode, seccompProfileType } from "./draft.js";
import { portMappings, sandboxConfig } from "./sandbox-config.js";
import { containerSecurity } from "./security-context.js";

const image = { uid: undefined, username: "" };
const security = (
  podContext: corev1.PodSecurityContext,
  own: corev1.SecurityContext,
  user: Parameters<typeof containerSecurity>[2] = image,
) => containerSecurity(pod({ securityContext: podContext }), container("app", { securityContext: own }), user, undefined);

describe("containerSecurity", () => {
  it.each([
    ["the container's user", { runAsUser: 1 }, { runAsUser: 2 }, { uid: 3, username: "" }, 2n],
    ["else the pod's", { runAsUser: 1 }, {}, { uid: 3, username: "" }, 1n],
    ["else the image's", {}, {}, { uid: 3, username: "" }, 3n],
  ])("runs as %s", (_, shared, own, user, uid) => expect(security(shared, own, user).runAsUser?.value).toBe(uid));

  it("passes the image's user name on", () => expect(security({}, {}, { uid: undefined, username: "web" }).runAsUsername).toBe("web"));

  const where = '(pod: "web_shop(u1)", container: app)';
  it.each([
    [{ runAsNonRoot: true, runAsUser: 0 }, image, `container's runAsUser breaks non-root policy ${where}`],
    [{ runAsNonRoot: true }, { uid: 0, username: "" }, `container has runAsNonRoot and image will run as root ${where}`],
    [
      { runAsNonRoot: true },
      { uid: undefined, username: "web" },
      `container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root ${where}`,
    ],
  ])("refuses %j of %j", (own, user, message) => expect(() => security({}, own, user)).toThrow(message));

  it("lets a non-root user pass", () => expect(() => security({}, { runAsNonRoot: true, runAsUser: 5 })).not.toThrow());

  it("masks paths, except for the privileged and with procMount Unmasked", () => {
    expect(security({}, {}).maskedPaths).toContain("/proc/kcore");
    expect(security({}, { privileged: true })).toMatchObject({ maskedPaths: [], readonlyPaths: [], seccomp: undefined });
    expect(security({}, { procMount: "Unmasked" }).maskedPaths).toEqual([]);
  });

  it("takes seccomp from the container, then the pod, then none", () => {
    expect(security({ seccompProfile: { type: "RuntimeDefault" } }, {}).seccomp?.profileType).toBe(seccompProfileType.runtimeDefault);
    expect(security({ seccompProfile: { type: "RuntimeDefault" } }, { seccompProfile: { type: "Unconfined" } }).seccomp?.profileType).toBe(
      seccompProfileType.unconfined,
    );
    expect(security({}, {}).seccomp?.profileType).toBe(seccompProfileType.unconfined);
  });

  it("sets no-new-privileges only where escalation is refused", () => {
    expect(security({}, { allowPrivilegeEscalation: false }).noNewPrivs).toBe(true);
    expect(security({}, {}).noNewPrivs).toBe(false);
  });

  it("gives fsGroup and supplemental groups", () => {
    expect(security({ fsGroup: 5, supplementalGroups: [6] }, {}).supplementalGroups).toEqual([5n, 6n]);
  });
});

describe("sandboxConfig", () => {
  const config = (wanted: corev1.Pod) =>
    sandboxConfig({
      pod: wanted,
      attempt: 1,
      dns: { servers: [], searches: [], options: [] },
      hostname: "web",
      logRoot: "/var/log/pods",
      cgroupRoot: "",
      pidsMax: undefined,
    });
  it("names the pod, its logs and its cgroup", () => {
    expect(config(pod({}, { labels: { app: "web" } }))).toMatchObject({
      metadata: { name: "web", namespace: "shop", uid: "u1", attempt: 1 },
      logDirectory: "/var/log/pods/shop_web_u1",
      labels: { app: "web", "io.kubernetes.pod.name": "web", "io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.uid": "u1" },
      linux: { cgroupParent: "/kubepods/besteffort/podu1" },
    });
  });
  it.each([
    [{}, { network: namespaceMode.pod, pid: namespaceMode.container, ipc: namespaceMode.pod }],
    [{ hostNetwork: true }, { network: namespaceMode.node }],
    [
      { hostPID: true, hostIPC: true },
      { pid: namespaceMode.node, ipc: namespaceMode.node },
    ],
    [{ shareProcessNamespace: true }, { pid: namespaceMode.pod }],
  ])("namespaces of %j", (spec, expected) => {
    expect(config(pod(spec)).linux?.securityContext?.namespaceOptions).toMatchObject(expected);
  });
  it("maps host ports, except in the host's own network", () => {
    const containers = [container("app", { ports: [{ containerPort: 80, hostPort: 8080, protocol: "UDP" }, { containerPort: 81 }] })];
    expect(portMappings(pod({ containers }))).toEqual([{ protocol: 1, containerPort: 80, hostPort: 8080, hostIp: "" }]);
    expect(portMappings(pod({ containers, hostNetwork: true }))).toEqual([]);
  });
});

describe("containerConfig", () => {
  const config = (more: Partial<corev1.Container>) =>
    containerConfig({
      pod: pod({}),
      container: container("app", more),
      attempt: 2,
      imageID: "sha256:1",
      imageUser: image,
      environment: new Map([["NAME", "world"]]),
      mounts: [],
      devices: [],
      targetID: undefined,
      memoryCapacityBytes: 2 ** 30,
    });
  it("expands command and arguments", () => {
    expect(config({ command: ["echo", "$(NAME)"], args: ["$$(NAME)", "$(NONE)"] })).toMatchObject({
      command: ["echo", "world"],
      args: ["$(NAME)", "$(NONE)"],
    });
  });
  it("logs by attempt, and writes down what a later kubelet needs", () => {
    const written = config({ terminationMessagePath: "/tmp/end" });
    expect(written.logPath).toBe("app/2.log");
    expect(written.annotations).toMatchObject({
      "io.kubernetes.container.restartCount": "2",
      "io.kubernetes.container.terminationMessagePath": "/tmp/end",
      "io.kubernetes.container.terminationMessagePolicy": "File",
    });
  });
});
