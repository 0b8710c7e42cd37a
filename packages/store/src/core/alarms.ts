import type { Backend } from "@lenj/mvcc";
import { etcdserverpb } from "@lenj/proto/etcd";

export interface Alarm {
  readonly memberID: bigint;
  readonly alarm: etcdserverpb.AlarmType;
}

const { AlarmType } = etcdserverpb;

/** Raised alarms, one per member and kind; replicated. Upstream: etcd server/etcdserver/api/v3alarm. */
export class Alarms {
  /** This member ran out of space and raised NOSPACE itself, which nobody has taken note of yet. Not part of the state. */
  hasRunOutOfSpace = false;
  readonly #raised = new Map<string, Alarm>();

  constructor(private readonly backend: Backend) {}

  load(key: Uint8Array): void {
    const memberID = new DataView(key.buffer, key.byteOffset, key.byteLength).getBigUint64(0);
    const alarm: Alarm = { memberID, alarm: key[8] as etcdserverpb.AlarmType };
    this.#raised.set(nameOf(alarm), alarm);
  }

  has(kind: etcdserverpb.AlarmType): boolean {
    for (const { alarm } of this.#raised.values()) if (alarm === kind) return true;
    return false;
  }

  /** Of one kind, or of every kind for NONE. */
  list(kind: etcdserverpb.AlarmType): Alarm[] {
    return [...this.#raised.values()].filter(({ alarm }) => kind === AlarmType.NONE || alarm === kind);
  }

  /** Returns the alarm when it is new, else undefined. */
  raise(alarm: Alarm): Alarm | undefined {
    if (this.#raised.has(nameOf(alarm))) return undefined;
    this.#raised.set(nameOf(alarm), alarm);
    this.backend.put("alarm", encode(alarm), new Uint8Array(0));
    return alarm;
  }

  /** Returns the alarm when it was raised, else undefined. */
  clear(alarm: Alarm): Alarm | undefined {
    if (!this.#raised.delete(nameOf(alarm))) return undefined;
    this.backend.delete("alarm", encode(alarm));
    return alarm;
  }
}

const nameOf = ({ memberID, alarm }: Alarm): string => `${memberID}/${alarm}`;

function encode({ memberID, alarm }: Alarm): Uint8Array {
  const bytes = new Uint8Array(9);
  new DataView(bytes.buffer).setBigUint64(0, memberID);
  bytes[8] = alarm;
  return bytes;
}
