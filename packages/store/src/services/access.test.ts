import { etcdserverpb, healthpb, v3electionpb, v3lockpb } from "@lenj/proto/etcd";
import { accessRules } from "./access.js";

const services: readonly object[] = [
  etcdserverpb.KVService,
  etcdserverpb.WatchService,
  etcdserverpb.LeaseService,
  etcdserverpb.ClusterService,
  etcdserverpb.MaintenanceService,
  etcdserverpb.AuthService,
  healthpb.HealthService,
  v3lockpb.LockService,
  v3electionpb.ElectionService,
];
const paths = services.flatMap((service) => Object.values(service as Record<string, { path: string }>).map(({ path }) => path));

describe("access rules", () => {
  it.each(paths)("say who may call %s", (path) => {
    expect(accessRules[path]).toBeDefined();
  });

  it("leave nothing open that shows or changes anything (CVE-2026-33413)", () => {
    const open = Object.entries(accessRules).filter(([, rule]) => rule === "open");
    expect(open.map(([path]) => path).sort()).toEqual([
      "/etcdserverpb.Auth/AuthStatus",
      "/etcdserverpb.Auth/Authenticate",
      "/grpc.health.v1.Health/Check",
      "/grpc.health.v1.Health/Watch",
    ]);
  });
});
