// The rules of makeEnvironmentVariables, the expansion package and the downward API.
import type { corev1 } from "@lenj/proto/k8s";
import { container, pod } from "../../testing/pod-fixtures.js";
import { containerEnvironment, type EnvironmentSources, environmentReferences } from "./environment.js";
import { expand } from "./expand.js";
import { fieldRefText, formatMap, resourceFieldText } from "./field-ref.js";
import { serviceVariables } from "./service-variables.js";

const sources = (more: Partial<EnvironmentSources> = {}): EnvironmentSources => ({
  pod: pod({ nodeName: "n1", serviceAccountName: "robot" }, { labels: { app: "web", tier: "front" }, annotations: { note: 'a "b"' } }),
  podIPs: ["10.0.0.1", "fd00::1"],
  hostIPs: ["192.168.0.1"],
  allocatable: { cpu: "2", memory: "1Gi" },
  configMap: (name) => (name === "cm" ? { data: { b: "from-cm", a: "first" } } : undefined),
  secret: (name) => (name === "sec" ? { data: { key: "ZW5jb2RlZA==" } } : undefined),
  decodeBase64: (text) => (text === "ZW5jb2RlZA==" ? "encoded" : text),
  serviceVariables: new Map([
    ["WEB_SERVICE_HOST", "10.96.0.1"],
    ["a", "service"],
  ]),
  ...more,
});
const environment = (more: Partial<corev1.Container>, from = sources()): Record<string, string> =>
  Object.fromEntries(containerEnvironment(container("app", more), from));

describe("expand", () => {
  const known: Readonly<Record<string, string>> = { A: "1", B: "$(A)", EMPTY: "" };
  it.each([
    ["$(A)", "1"],
    ["x$(A)y$(A)", "x1y1"],
    ["$$(A)", "$(A)"],
    ["$$$(A)", "$1"],
    ["$(B)", "$(A)"],
    ["$(EMPTY)", ""],
    ["$(MISSING)", "$(MISSING)"],
    ["$(A", "$(A"],
    ["$A", "$A"],
    ["$", "$"],
    ["a$", "a$"],
    ["$(A)$", "1$"],
    ["$()", "$()"],
    ["foo$$bar", "foo$bar"],
  ])("%s becomes %s", (text, expected) => expect(expand(text, (name) => known[name])).toBe(expected));
});

describe("containerEnvironment", () => {
  it("lets env win over envFrom, and both over service variables", () => {
    expect(environment({ envFrom: [{ configMapRef: { name: "cm" } }], env: [{ name: "b", value: "from-env" }] })).toEqual({
      a: "first",
      b: "from-env",
      WEB_SERVICE_HOST: "10.96.0.1",
    });
  });

  it("puts the prefix before each key of envFrom, and decodes secrets", () => {
    expect(environment({ envFrom: [{ prefix: "P_", secretRef: { name: "sec" } }] })).toMatchObject({ P_key: "encoded" });
  });

  it("resolves references to what stands before, to envFrom and to service variables", () => {
    expect(
      environment({
        envFrom: [{ configMapRef: { name: "cm" } }],
        env: [
          { name: "EARLY", value: "$(LATE)" },
          { name: "LATE", value: "$(b) $(WEB_SERVICE_HOST)" },
          { name: "AGAIN", value: "$(LATE)" },
        ],
      }),
    ).toMatchObject({ EARLY: "$(LATE)", LATE: "from-cm 10.96.0.1", AGAIN: "from-cm 10.96.0.1" });
  });

  it("does not expand what comes from elsewhere", () => {
    const from = sources({ configMap: () => ({ data: { k: "$(HOME)" } }) });
    expect(environment({ env: [{ name: "X", valueFrom: { configMapKeyRef: { name: "cm", key: "k" } } }] }, from)["X"]).toBe("$(HOME)");
  });

  it.each([
    [{ envFrom: [{ configMapRef: { name: "no" } }] }, 'configmap "no" not found'],
    [{ envFrom: [{ secretRef: { name: "no" } }] }, 'secret "no" not found'],
    [{ env: [{ name: "X", valueFrom: { configMapKeyRef: { name: "no", key: "k" } } }] }, 'configmap "no" not found'],
    [{ env: [{ name: "X", valueFrom: { configMapKeyRef: { name: "cm", key: "k" } } }] }, "couldn't find key k in ConfigMap shop/cm"],
    [{ env: [{ name: "X", valueFrom: { secretKeyRef: { name: "sec", key: "k" } } }] }, "couldn't find key k in Secret shop/sec"],
    [{ env: [{ name: "X", valueFrom: { fieldRef: { fieldPath: "spec.nope" } } }] }, "unsupported fieldPath: spec.nope"],
  ])("refuses %j", (more, message) => expect(() => environment(more)).toThrow(message));

  it.each([
    [{ envFrom: [{ configMapRef: { name: "no", optional: true } }] }],
    [{ env: [{ name: "X", valueFrom: { secretKeyRef: { name: "no", key: "k", optional: true } } }] }],
    [{ env: [{ name: "X", valueFrom: { configMapKeyRef: { name: "cm", key: "k", optional: true } } }] }],
  ])("leaves out what is optional: %j", (more) => expect(environment(more)).not.toHaveProperty("X"));

  it("names the objects it needs", () => {
    const needs = container("app", {
      envFrom: [{ configMapRef: { name: "cm" } }, { secretRef: { name: "sec" } }],
      env: [{ name: "X", valueFrom: { configMapKeyRef: { name: "other", key: "k" } } }],
    });
    expect(environmentReferences(needs)).toEqual({ configMaps: ["cm", "other"], secrets: ["sec"] });
  });
});

describe("the downward API", () => {
  it.each([
    ["metadata.name", "web"],
    ["metadata.namespace", "shop"],
    ["metadata.uid", "u1"],
    ["metadata.labels", 'app="web"\ntier="front"'],
    ["metadata.labels['app']", "web"],
    ["metadata.annotations['note']", 'a "b"'],
    ["metadata.annotations", 'note="a \\"b\\""'],
    ["spec.nodeName", "n1"],
    ["spec.serviceAccountName", "robot"],
    ["status.podIP", "10.0.0.1"],
    ["status.podIPs", "10.0.0.1,fd00::1"],
    ["status.hostIP", "192.168.0.1"],
  ])("%s", (path, text) => expect(fieldRefText(path, sources())).toBe(text));

  it.each([
    ["limits.cpu", undefined, { limits: { cpu: "250m" } }, "1"],
    ["limits.cpu", "1m", { limits: { cpu: "250m" } }, "250"],
    ["limits.cpu", undefined, {}, "2"],
    ["limits.memory", "1Mi", { limits: { memory: "64Mi" } }, "64"],
    ["limits.memory", "1Mi", { limits: { memory: "100k" } }, "1"],
    ["limits.memory", undefined, {}, "1073741824"],
    ["requests.memory", "1Ki", { requests: { memory: "1Mi" } }, "1024"],
    ["requests.cpu", undefined, {}, "0"],
    ["requests.cpu", "0", { requests: { cpu: "1500m" } }, "2"],
  ])("%s by %s of %j is %s, rounded up", (resource, divisor, resources, text) => {
    expect(resourceFieldText({ resource, divisor }, container("app", { resources }), sources())).toBe(text);
  });

  it.each([
    ["C:\\bin", '"C:\\\\bin"'],
    ["\b\x07\v\f\r\n\t", '"\\b\\a\\v\\f\\r\\n\\t"'],
    ["\x01\x7f\u0085\u2028", '"\\x01\\x7f\\u0085\\u2028"'],
    ["grün ☃", '"grün ☃"'],
  ])("quotes %j as Go does", (value, text) => expect(formatMap({ k: value })).toBe(`k=${text}`));
});

describe("serviceVariables", () => {
  const service = (namespace: string, name: string, spec: corev1.ServiceSpec): corev1.Service => ({ metadata: { namespace, name }, spec });
  const port = (more: Partial<corev1.ServicePort>): corev1.ServicePort => ({ port: 80, protocol: "TCP", ...more }) as corev1.ServicePort;
  const all = [
    service("default", "kubernetes", { clusterIP: "10.96.0.1", ports: [port({ port: 443, name: "https" })] }),
    service("shop", "my-db", { clusterIP: "10.96.0.2", ports: [port({ port: 5432, name: "sql" }), port({ port: 53, protocol: "UDP" })] }),
    service("shop", "headless", { clusterIP: "None", ports: [port({})] }),
    service("other", "foreign", { clusterIP: "10.96.0.3", ports: [port({})] }),
  ];

  it("tells of the services of the pod's namespace and of kubernetes", () => {
    expect(Object.fromEntries(serviceVariables(all, "shop", true))).toMatchObject({
      KUBERNETES_SERVICE_HOST: "10.96.0.1",
      KUBERNETES_SERVICE_PORT_HTTPS: "443",
      MY_DB_SERVICE_HOST: "10.96.0.2",
      MY_DB_SERVICE_PORT: "5432",
      MY_DB_SERVICE_PORT_SQL: "5432",
      MY_DB_PORT: "tcp://10.96.0.2:5432",
      MY_DB_PORT_53_UDP: "udp://10.96.0.2:53",
      MY_DB_PORT_53_UDP_PROTO: "udp",
      MY_DB_PORT_53_UDP_ADDR: "10.96.0.2",
    });
    const names = [...serviceVariables(all, "shop", true).keys()];
    expect(names.filter((name) => name.startsWith("HEADLESS") || name.startsWith("FOREIGN"))).toEqual([]);
  });

  it("tells only of kubernetes without enableServiceLinks", () => {
    const names = [...serviceVariables(all, "shop", false).keys()];
    expect(names.every((name) => name.startsWith("KUBERNETES_"))).toBe(true);
    expect(names.length).toBeGreaterThan(0);
  });
});
