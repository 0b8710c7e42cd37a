// What a replica needs of the outside. Drivers implement these for real processes; the simulator has its own.
import type { Backend } from "@lenj/mvcc";
import type { Entry, Message, SnapMessage } from "@lenj/raft";
import type { LogWrite } from "../drivers/level/level-log.js";

/** Calls `run` once, in the next turn of the event loop: after what is under way now, before any timer that is not due yet. */
export type NextTurn = (run: () => void) => void;

export interface PeerAddress {
  readonly id: bigint;
  readonly peerURLs: readonly string[];
}

/** Sends to peers; never waits, never throws. What cannot be sent is dropped: raft repeats. */
export interface PeerTransport {
  /** Replaces the set of peers; connections to ones no longer named are closed. */
  setPeers(peers: readonly PeerAddress[]): void;
  send(messages: readonly Message[]): void;
  /** Ships the whole state along with a "snap" message; the outcome goes to `onSnapshotSent`. */
  sendSnapshot(message: SnapMessage): void;
  /** Milliseconds since a peer was last heard of; undefined when it is not connected. */
  connectedForMs(id: bigint): number | undefined;
  close(): Promise<void>;
}

/** Durable log; see LevelLog. */
export interface DurableLog {
  append(writes: readonly LogWrite[]): Promise<void>;
  compactLater(index: number, term: number): void;
  close(): Promise<void>;
}

/** Write-behind storage of the state; see LevelBackend. */
export interface DurableBackend extends Backend {
  readonly durableIndex: number;
  readonly isCongested: boolean;
  setApplied(index: number, term: number): void;
  flush(): Promise<void>;
  close(): Promise<void>;
  onDurable: (index: number) => void;
  onFailure: (error: Error) => void;
}

/** Keeps applied entries for restores to a point in time; see LogArchive. */
export interface EntryArchive {
  /** Entries up to here are on disk. */
  readonly durableIndex: number;
  /** Never waits, never throws. `revision` is the store's after the entry. */
  append(entry: Entry, revision: number): void;
}
