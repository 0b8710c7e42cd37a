import { beforeCreate, beforeUpdate, cloneJSON, initializeNewObject, type KubernetesObject, type RequestContext } from "@lenj/apimachinery";
import { SeededRandom } from "@lenj/base";
import { ManualClock } from "@lenj/base/testing";
import { builtinResources, findKind } from "./index.js";

const context: RequestContext = {
  clock: new ManualClock(),
  random: new SeededRandom(1),
  user: { name: "tester", uid: "", groups: [], extra: {} },
  namespace: "default",
  name: "",
  dryRun: false,
};

const template = { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image: "nginx" }] } };

type Anything = KubernetesObject & { spec?: Record<string, unknown>; status?: Record<string, unknown> };

function create(group: string, kind: string, object: object): Anything {
  const declaration = findKind(group, "v1", kind);
  if (declaration === undefined) throw new Error(`no ${kind}`);
  const made = cloneJSON(object) as Anything;
  declaration.defaults(made);
  initializeNewObject(made, context);
  beforeCreate(declaration, made, context);
  return made;
}

describe("builtinResources", () => {
  it("gives every row as many cells as there are columns", () => {
    for (const { table, gvk } of builtinResources) expect([gvk.kind, table.row({}, 0).length]).toEqual([gvk.kind, table.columns.length]);
  });

  it("names every resource once", () => {
    const names = builtinResources.map(({ gvk, plural }) => `${gvk.group}/${gvk.version}/${plural}`);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("Deployment", () => {
  const manifest = { metadata: { name: "web" }, spec: { selector: { matchLabels: { app: "web" } }, template } };

  it("is defaulted once: a second run changes nothing", () => {
    const made = create("apps", "Deployment", manifest);
    const before = JSON.stringify(made);
    findKind("apps", "v1", "Deployment")?.defaults(made);
    expect(JSON.stringify(made)).toBe(before);
    expect(made.spec).toMatchObject({
      replicas: 1,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } },
      progressDeadlineSeconds: 600,
    });
  });

  it("reports all errors in upstream's words", () => {
    const bad = { metadata: { name: "x" }, spec: { ...manifest.spec, replicas: -1 } };
    expect(() => create("apps", "Deployment", bad)).toThrow(
      'Deployment.apps "x" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    );
  });

  it("keeps its selector and raises its generation with spec or annotations only", () => {
    const declaration = findKind("apps", "v1", "Deployment");
    const old = {
      ...create("apps", "Deployment", manifest),
      metadata: {
        name: "web",
        namespace: "default",
        uid: "u",
        resourceVersion: "1",
        generation: 1,
        creationTimestamp: "2026-01-01T00:00:00Z",
      },
    };
    const change = (edit: (object: Anything) => void): Anything => {
      const object = cloneJSON(old) as Anything;
      edit(object);
      if (declaration !== undefined) beforeUpdate(declaration, declaration.strategy, { object, old, context });
      return object;
    };
    expect(change((object) => void (object.metadata = { ...object.metadata, labels: { a: "b" } })).metadata?.generation).toBe(1);
    expect(change((object) => void (object.metadata = { ...object.metadata, annotations: { a: "b" } })).metadata?.generation).toBe(2);
    expect(change((object) => void (object.spec = { ...object.spec, replicas: 3 })).metadata?.generation).toBe(2);
    expect(change((object) => void (object.status = { replicas: 9 })).status).toBeUndefined();
    expect(() => change((object) => void (object.spec = { ...object.spec, selector: { matchLabels: { app: "web", b: "c" } } }))).toThrow(
      "field is immutable",
    );
  });
});

describe("Pod", () => {
  it("starts Pending with a class of service", () => {
    expect(create("", "Pod", { metadata: { name: "p" }, spec: template.spec }).status).toEqual({
      phase: "Pending",
      qosClass: "BestEffort",
    });
  });

  it("needs containers", () => {
    expect(() => create("", "Pod", { metadata: { name: "p" }, spec: { containers: [] } })).toThrow(
      'Pod "p" is invalid: spec.containers: Required value',
    );
  });

  it("ends at once when nothing can be running", () => {
    const graceful = findKind("", "v1", "Pod")?.gracefulDeletion;
    const bound = { spec: { containers: [], nodeName: "n", terminationGracePeriodSeconds: 30 } };
    expect(graceful?.gracePeriodSeconds({ ...bound, spec: { containers: [] } } as KubernetesObject, undefined, context)).toBe(0);
    expect(graceful?.gracePeriodSeconds({ ...bound, status: { phase: "Failed" } } as KubernetesObject, 5, context)).toBe(0);
    expect(graceful?.gracePeriodSeconds(bound as KubernetesObject, undefined, context)).toBe(30);
  });
});
