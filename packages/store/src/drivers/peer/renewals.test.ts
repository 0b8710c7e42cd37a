import { Renewals } from "./renewals.js";

describe("Renewals", () => {
  it("go to a leader together, and each has its own answer", async () => {
    const asked: (readonly bigint[])[] = [];
    const renewals = new Renewals((leaderID, ids) => {
      asked.push([leaderID, ...ids]);
      return Promise.resolve(ids.map((id) => (id === 8n ? 0 : Number(id) * 10)));
    });
    const first = await Promise.all([renewals.renew(1n, 7n), renewals.renew(1n, 8n), renewals.renew(2n, 9n), renewals.renew(1n, 7n)]);
    expect(first).toEqual([70, undefined, 90, 70]);
    expect(await renewals.renew(1n, 5n)).toBe(50);
    expect(asked).toEqual([
      [1n, 7n, 8n, 7n],
      [2n, 9n],
      [1n, 5n],
    ]);
  });

  it("fail together when the leader does not answer", async () => {
    const renewals = new Renewals(() => Promise.reject(new Error("gone")));
    const both = await Promise.allSettled([renewals.renew(1n, 7n), renewals.renew(1n, 8n)]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });
});
