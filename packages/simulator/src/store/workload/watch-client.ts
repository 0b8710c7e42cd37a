// A client that watches: several watches on one stream, opened at old, current and future revisions, stalled at times, resumed elsewhere.
import { etcdserverpb } from "@lenj/proto/etcd";
import { Violation } from "../../world/violation.js";
import { WatchRecord } from "../checkers/watch-record.js";
import { type ClientStream, openStream } from "./connection.js";
import type { Session } from "./session.js";

interface Watch {
  readonly record: WatchRecord;
  readonly request: etcdserverpb.WatchCreateRequest;
  startRevision: number;
  isCreated: boolean;
  /** On the current stream. One that a compaction ended stays taken there. */
  id: number;
}

const bytes = (value: string): Buffer => Buffer.from(value, "latin1");
const progressEveryMs = 400;

export class WatchClient {
  readonly records: WatchRecord[] = [];
  #watches: Watch[] = [];
  #stream: ClientStream | undefined;
  #streams = 0;
  #lastID = 0;
  #isCalm = false;

  constructor(
    readonly session: Session,
    readonly label: string,
  ) {}

  start(): void {
    this.#renew();
    this.#askProgress();
    this.#stallSometimes();
  }

  /** From now on it reads everything and stays with what it watches, less what has not begun: that would keep progress from the others. */
  calm(): void {
    this.#isCalm = true;
    this.#stream?.close();
    this.#watches = this.#watches.filter(({ startRevision }) => startRevision <= this.session.told.revision);
    this.#connect();
  }

  /** Whether every watch was told of everything through `revision`. */
  hasCaughtUp(revision: number): boolean {
    return this.#watches.every(({ record, startRevision }) => record.nextRevision > revision || startRevision > revision);
  }

  describe(): string {
    return this.#watches.map(({ record, startRevision }) => `${record.label} from ${startRevision} next ${record.nextRevision}`).join(", ");
  }

  /** New watches take the place of the old ones. */
  #renew(): void {
    const { loop } = this.session;
    if (this.#isCalm) return;
    this.#stream?.close();
    this.#watches = Array.from({ length: loop.between(1, 3) }, () => this.#draw());
    this.records.push(...this.#watches.map(({ record }) => record));
    this.#connect();
    loop.after(loop.between(500, 6_000), () => this.#renew());
  }

  #draw(): Watch {
    const { loop, told, cluster } = this.session;
    const single = loop.chance(300);
    const key = single ? `m${loop.random.below(cluster.options.keys)}` : loop.pick(["m", "r", "\0"]);
    const request = etcdserverpb.WatchCreateRequest.fromPartial({
      key: bytes(key),
      rangeEnd: single ? bytes("") : key === "\0" ? bytes("\0") : bytes(key === "m" ? "n" : "s"),
      prevKv: loop.chance(500),
      filters: loop.chance(800) ? [] : [loop.random.below(2)],
      progressNotify: loop.chance(500),
    });
    const startRevision = loop.pick([
      0,
      Math.max(1, told.revision - loop.random.below(60)),
      told.revision + loop.between(1, 15),
      Math.max(1, told.compactRevision + loop.between(-1, 1)),
    ]);
    const record = new WatchRecord(`${this.label}.${this.records.length}`, request);
    return { record, request, startRevision, isCreated: false, id: 0 };
  }

  #connect(): void {
    const { loop, cluster } = this.session;
    const member = loop.pick(cluster.running());
    this.#streams += 1;
    const number = this.#streams;
    if (member === undefined) {
      loop.after(200, () => {
        if (number === this.#streams) this.#connect();
      });
      return;
    }
    const stream = openStream(member, "/etcdserverpb.Watch/Watch", {
      onMessage: (message) => {
        if (number === this.#streams) this.#onResponse(etcdserverpb.WatchResponse.decode(message as Buffer));
      },
      onEnd: () => {
        loop.after(loop.between(20, 300), () => {
          if (number !== this.#streams) return;
          if (this.#isCalm) this.#leaveOutWhatHasEnded();
          this.#connect();
        });
      },
    });
    this.#stream = stream;
    for (const watch of this.#watches) {
      watch.isCreated = false;
      this.#create(stream, watch);
    }
  }

  /** Nothing more will be written: a watch that has heard everything would begin in the future. */
  #leaveOutWhatHasEnded(): void {
    this.#watches = this.#watches.filter(({ record }) => record.nextRevision <= this.session.told.revision);
  }

  #create(stream: ClientStream, watch: Watch): void {
    this.#lastID += 1;
    watch.id = this.#lastID;
    const next = watch.record.nextRevision;
    watch.startRevision = next > 0 ? next : watch.startRevision;
    const value = { ...watch.request, startRevision: watch.startRevision, watchId: watch.id };
    stream.send({ requestUnion: { $case: "createRequest", value } });
  }

  #onResponse(response: etcdserverpb.WatchResponse): void {
    const { observer, loop } = this.session;
    const revision = response.header?.revision ?? 0;
    loop.trace(`watch ${this.label} ${response.watchId} ${response.created} ${response.canceled} ${revision} ${response.events.length}`);
    observer.check(() => {
      if (response.created && response.canceled) throw new Violation("Watch", `${this.label} was refused: ${response.cancelReason}`);
      if (response.watchId === -1) {
        for (const { record, isCreated } of this.#watches) if (isCreated) record.onProgress(revision);
        return;
      }
      const watch = this.#watches.find(({ id }) => id === response.watchId);
      if (watch !== undefined) this.#onWatchResponse(watch, response, revision);
    });
  }

  #onWatchResponse(watch: Watch, response: etcdserverpb.WatchResponse, revision: number): void {
    if (response.created) {
      watch.isCreated = true;
      watch.record.onCreated(watch.startRevision > 0 ? watch.startRevision : revision + 1);
    } else if (response.canceled) {
      watch.isCreated = false;
      watch.record.onCompacted(response.compactRevision);
      watch.startRevision = response.compactRevision;
      watch.record.restart();
      const stream = this.#stream;
      if (stream !== undefined) this.#create(stream, watch);
    } else if (response.events.length > 0) {
      watch.record.onEvents(response.events, response.fragment);
    } else {
      watch.record.onProgress(revision);
    }
  }

  #askProgress(): void {
    const { loop } = this.session;
    loop.after(progressEveryMs, () => {
      this.#stream?.send({ requestUnion: { $case: "progressRequest", value: {} } });
      this.#askProgress();
    });
  }

  #stallSometimes(): void {
    const { loop } = this.session;
    loop.after(loop.between(200, 4_000), () => {
      if (this.#isCalm) return;
      const stream = this.#stream;
      stream?.setStalled(true);
      loop.after(loop.pick([50, 500, 3_000]), () => {
        stream?.setStalled(false);
        this.#stallSometimes();
      });
    });
  }
}
