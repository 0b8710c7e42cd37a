// What one server says on its watch stream, watch by watch, and two watches of our own beside those under comparison:
// the observer, which sees everything, and the fence, whose answer shows that all that was said before it is answered.
import { etcdserverpb, mvccpb } from "@lenj/proto/etcd";
import type { HistoryEvent } from "./watch-ledger.js";

const observerID = 900_000_000;
const firstFenceID = 1_000_000_000;
/** etcd's, in answers that belong to no watch: a watch that could not be made, progress of all. */
const noWatchID = -1;

/** A watch's history without how it was cut into messages. */
export interface WatchLog {
  readonly lines: string[];
  /** All since it was created; lines are taken away when they have been compared. */
  events: number;
  compactions: number;
  created: number;
}

export class WatchFeed {
  readonly logs = new Map<number, WatchLog>();
  /** Revision of the last event that the observer saw. */
  observed = 1;
  /** Hears of every event, once. */
  onEvent: (event: HistoryEvent) => void = () => {};
  /** Answers to requests for progress. */
  progressAnswers = 0;
  lastFence = firstFenceID;
  #fenceID = firstFenceID;
  #heard: () => void = () => {};

  constructor(readonly say: (message: etcdserverpb.WatchRequest) => void) {}

  /** Begins to watch everything. */
  observe(): void {
    this.#create({ key: Buffer.of(0), rangeEnd: Buffer.of(0), watchId: observerID, startRevision: 1 });
  }

  log(id: number): WatchLog {
    const log = this.logs.get(id) ?? { lines: [], events: 0, compactions: 0, created: 0 };
    this.logs.set(id, log);
    return log;
  }

  /** Asks for what is answered after all that was said before: then {@link lastFence} is at least the number that this returns. */
  raiseFence(): number {
    this.#fenceID += 1;
    const id = this.#fenceID;
    this.#create({ key: Buffer.from("\xff\xff\xff fence", "latin1"), watchId: id });
    this.say({ requestUnion: { $case: "cancelRequest", value: { watchId: id } } });
    return id;
  }

  /** Resolves when the condition holds, looking after every message; or when the time is up, with false. */
  async until(condition: () => boolean): Promise<boolean> {
    const deadlineMs = performance.now() + saidMsMax;
    while (!condition()) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#heard = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }

  onResponse(response: etcdserverpb.WatchResponse): void {
    const id = Number(response.watchId);
    if (id >= firstFenceID) this.#onFence(response, id);
    else if (id === noWatchID && !response.created && !response.canceled) this.#onProgress(response);
    else this.#onWatch(response, id);
    this.#heard();
  }

  #onFence(response: etcdserverpb.WatchResponse, id: number): void {
    if (response.canceled) this.lastFence = id;
  }

  #onProgress({ header }: etcdserverpb.WatchResponse): void {
    this.progressAnswers += 1;
    this.log(noWatchID).lines.push(`progress ${header?.revision}`);
  }

  #onWatch(response: etcdserverpb.WatchResponse, id: number): void {
    const log = this.log(id);
    const { created, canceled, compactRevision, cancelReason } = response;
    if (created || canceled) log.lines.push(`created=${created} canceled=${canceled} compact=${compactRevision} reason=${cancelReason}`);
    if (created && !canceled) log.created += 1;
    if (canceled && compactRevision > 0) log.compactions += 1;
    log.events += response.events.length;
    for (const event of response.events) {
      log.lines.push(JSON.stringify(event, plain));
      if (id === observerID) this.#onObserved(event);
    }
  }

  #onObserved({ kv, type }: mvccpb.Event): void {
    if (kv === undefined) return;
    this.observed = kv.modRevision;
    this.onEvent({ revision: kv.modRevision, key: kv.key.toString("latin1"), isDelete: type === mvccpb.Event_EventType.DELETE });
  }

  #create(request: Partial<etcdserverpb.WatchCreateRequest>): void {
    this.say({ requestUnion: { $case: "createRequest", value: etcdserverpb.WatchCreateRequest.fromPartial(request) } });
  }
}

/** What a server has not said by then it will not say: long, so that a busy machine makes no difference. */
const saidMsMax = 30_000;

/** For JSON: 64-bit numbers as text, bytes as hex. */
export function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "object" && value !== null && (value as { type?: string }).type === "Buffer")
    return Buffer.from((value as { data: number[] }).data).toString("hex");
  return value;
}
