import type { appsv1 } from "@lenj/proto/k8s";
import fc from "fast-check";
import { planDeployment } from "./plan.js";
import { desiredReplicas, maxSurge, maxUnavailable } from "./replica-sets.js";

interface Model {
  deployment: appsv1.Deployment;
  replicaSets: appsv1.ReplicaSet[];
}

const steps = fc.record({
  replicas: fc.integer({ min: 1, max: 12 }),
  surge: fc.oneof(
    fc.integer({ min: 0, max: 5 }),
    fc.integer({ min: 0, max: 100 }).map((n) => `${n}%`),
  ),
  unavailable: fc.oneof(
    fc.integer({ min: 0, max: 5 }),
    fc.integer({ min: 0, max: 100 }).map((n) => `${n}%`),
  ),
  // Each number lets the pods of one ReplicaSet make some progress towards its size.
  progress: fc.array(fc.tuple(fc.nat(3), fc.nat(3)), { minLength: 5, maxLength: 60 }),
});

function start(replicas: number, surge: number | string, unavailable: number | string): Model {
  const template = (image: string) => ({ metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image }] } });
  const deployment: appsv1.Deployment = {
    metadata: { name: "web", namespace: "shop", uid: "d", generation: 2 },
    spec: {
      replicas,
      selector: { matchLabels: { app: "web" } },
      template: template("2"),
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: surge, maxUnavailable: unavailable } },
    },
  };
  const old: appsv1.ReplicaSet = {
    metadata: {
      name: "web-1",
      uid: "rs-1",
      generation: 1,
      creationTimestamp: "2026-01-01T00:00:00Z",
      annotations: { "deployment.kubernetes.io/revision": "1", "deployment.kubernetes.io/desired-replicas": String(replicas) },
    },
    spec: { replicas, selector: {}, template: template("1") },
    status: { replicas, readyReplicas: replicas, availableReplicas: replicas, observedGeneration: 1 },
  };
  return { deployment, replicaSets: [old] };
}

function reconcile(model: Model): void {
  const plan = planDeployment({ deployment: model.deployment, replicaSets: model.replicaSets, podsOf: () => [], nowMs: 0 });
  for (const action of plan.actions) {
    if (action.verb === "createReplicaSet") {
      model.replicaSets.push({
        ...action.replicaSet,
        metadata: { ...action.replicaSet.metadata, uid: "rs-2", creationTimestamp: "2026-01-02T00:00:00Z" },
        status: { replicas: 0 },
      });
    } else if (action.verb === "updateReplicaSet") {
      model.replicaSets = model.replicaSets.map((rs) =>
        rs.metadata?.name === action.replicaSet.metadata?.name
          ? { ...action.replicaSet, ...(rs.status !== undefined && { status: rs.status }) }
          : rs,
      );
    }
  }
}

/** Scaling down takes available pods away at once, the worst case; scaling up makes them available one by one. */
function runPods(model: Model, which: number, amount: number): void {
  model.replicaSets = model.replicaSets.map((rs, at) => {
    const replicas = rs.spec?.replicas ?? 0;
    const available = Math.min(rs.status?.availableReplicas ?? 0, replicas);
    const grown = at === which % model.replicaSets.length ? Math.min(replicas, available + amount) : available;
    return { ...rs, status: { replicas, readyReplicas: grown, availableReplicas: grown } };
  });
}

describe("planDeployment() rolling update", () => {
  it("RU1 RU2 never has more pods than replicas + maxSurge nor fewer available than replicas - maxUnavailable, and ends", () => {
    fc.assert(
      fc.property(steps, ({ replicas, surge, unavailable, progress }) => {
        const model = start(replicas, surge, unavailable);
        const check = (): void => {
          const total = model.replicaSets.reduce((sum, rs) => sum + (rs.spec?.replicas ?? 0), 0);
          const available = model.replicaSets.reduce(
            (sum, rs) => sum + Math.min(rs.status?.availableReplicas ?? 0, rs.spec?.replicas ?? 0),
            0,
          );
          expect(total).toBeLessThanOrEqual(desiredReplicas(model.deployment) + maxSurge(model.deployment));
          expect(available).toBeGreaterThanOrEqual(desiredReplicas(model.deployment) - maxUnavailable(model.deployment));
        };
        for (const [which, amount] of progress) {
          reconcile(model);
          check();
          runPods(model, which, amount);
          check();
        }
        for (let round = 0; round < 100; round += 1) {
          reconcile(model);
          check();
          runPods(model, round, 20);
        }
        expect(model.replicaSets.map((rs) => [rs.metadata?.uid, rs.spec?.replicas])).toEqual([
          ["rs-1", 0],
          ["rs-2", replicas],
        ]);
      }),
      { numRuns: 300 },
    );
  });
});
