import { etcdserverpb } from "@lenj/proto/etcd";
import type { LeaseRules } from "../checkers/lease-rules.js";
import { type ClientStream, openStream } from "./connection.js";
import type { KvClient } from "./kv-client.js";
import { putOf } from "./requests.js";

/** Holds one lease after the other: grants it, hangs keys on it, renews it for a while, then lets it go or forgets it. */
export class LeaseHolder {
  readonly #client: KvClient;
  #isStopped = false;
  #stream: ClientStream | undefined;

  constructor(
    client: KvClient,
    readonly rules: LeaseRules,
  ) {
    this.#client = client;
  }

  start(): void {
    const { loop } = this.#client.session;
    loop.after(loop.between(10, 2_000), () => {
      if (!this.#isStopped) this.#grant();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#stream?.close();
  }

  #grant(): void {
    const { loop, cluster, nextID } = this.#client.session;
    const id = BigInt(nextID()) + 0x1ea5e0000n;
    const ttlSeconds = loop.between(2, 8);
    const askedMs = loop.nowMs;
    const value = etcdserverpb.LeaseGrantRequest.fromPartial({ ID: id, TTL: ttlSeconds });
    this.#client.session.observer.expectLease(id, value);
    this.#client.call(loop.pick(cluster.running()), { kind: "leaseGrant", value }, (answer) => {
      if (answer === undefined || "error" in answer) {
        this.start();
        return;
      }
      this.rules.onGranted(id, ttlSeconds, askedMs);
      this.#hang(id, ttlSeconds, loop.between(0, 2));
    });
  }

  #hang(id: bigint, ttlSeconds: number, keys: number): void {
    const { loop, cluster } = this.#client.session;
    if (keys === 0) {
      this.#renew(id, ttlSeconds, loop.random.below(6));
      return;
    }
    const key = `m${loop.random.below(cluster.options.keys)}${loop.pick(["", "l"])}`;
    this.#client.call(loop.pick(cluster.running()), putOf(key, `${this.#client.session.nextID()}`, { lease: id }), () =>
      this.#hang(id, ttlSeconds, keys - 1),
    );
  }

  #renew(id: bigint, ttlSeconds: number, times: number): void {
    const { loop, cluster, observer } = this.#client.session;
    if (times === 0 || this.#isStopped) {
      this.#let(id);
      return;
    }
    const member = loop.pick(cluster.running());
    if (member === undefined) {
      this.start();
      return;
    }
    const askedMs = loop.nowMs;
    let isOver = false;
    const stream = openStream(member, "/etcdserverpb.Lease/LeaseKeepAlive", {
      onMessage: (message) => {
        const { TTL } = message as etcdserverpb.LeaseKeepAliveResponse;
        loop.trace(`renewed ${id} ${TTL}`);
        observer.check(() => this.rules.onRenewed(id, TTL, askedMs));
        conclude(TTL > 0);
      },
      onEnd: () => conclude(true),
    });
    const conclude = (goesOn: boolean): void => {
      if (isOver) return;
      isOver = true;
      stream.close();
      if (!goesOn) this.start();
      else loop.after(loop.between(200, ttlSeconds * 600), () => this.#renew(id, ttlSeconds, times - 1));
    };
    this.#stream = stream;
    stream.send({ ID: id });
    loop.after(2_000, () => conclude(true));
  }

  #let(id: bigint): void {
    const { loop, cluster } = this.#client.session;
    if (loop.chance(500)) {
      this.start();
      return;
    }
    this.rules.onRevoke(id);
    const value = etcdserverpb.LeaseRevokeRequest.fromPartial({ ID: id });
    this.#client.call(loop.pick(cluster.running()), { kind: "leaseRevoke", value }, () => this.start());
  }
}
