// The mark that a member's state is not to be used: it survives restarts, and goes only when a state of the leader's is in use.
//
// Q1. Written before the member does anything else about the damage; a start that finds it refills before it opens anything.
// Q2. Once the leader's state is in place it stays until the cluster knows, too; that state is then as good as any and not replaced again.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { writeDurably } from "./drivers/durable-files.js";
import type { PeerAddress } from "./replica/ports.js";

export interface Quarantine {
  /** What was found, for people. */
  readonly reason: string;
  /** Whom to ask for the state: the damaged one may not say. */
  readonly peers: readonly PeerAddress[];
  /** A state of the leader's is in use. */
  readonly isRefilled: boolean;
}

interface StoredQuarantine {
  readonly reason: string;
  readonly isRefilled: boolean;
  /** IDs in hexadecimal. */
  readonly peers: readonly { readonly id: string; readonly peerURLs: readonly string[] }[];
}

/** Where a member keeps its mark. What is written is there after a crash, and all of it or nothing. */
export interface QuarantineMark {
  read(): Quarantine | undefined;
  write(quarantine: Quarantine): void;
  clear(): void;
}

/** Whether the state in use is not to be used. */
export const isStateUnusable = (mark: QuarantineMark): boolean => mark.read()?.isRefilled === false;

/** A state of the leader's has taken the place of the damaged one. */
export function noteRefilled(mark: QuarantineMark): void {
  const quarantine = mark.read();
  if (quarantine?.isRefilled === false) mark.write({ ...quarantine, isRefilled: true });
}

/** `folder` is the member's. */
export function quarantineFile(folder: string): QuarantineMark {
  const file = `${folder}/quarantine.json`;
  return {
    read: () => {
      if (!existsSync(file)) return undefined;
      const stored = JSON.parse(readFileSync(file, "utf8")) as StoredQuarantine;
      return { ...stored, peers: stored.peers.map(({ id, peerURLs }) => ({ id: BigInt(`0x${id}`), peerURLs })) };
    },
    write: ({ reason, peers, isRefilled }) => {
      const stored: StoredQuarantine = { reason, isRefilled, peers: peers.map(({ id, peerURLs }) => ({ id: id.toString(16), peerURLs })) };
      writeDurably(file, `${JSON.stringify(stored)}\n`);
    },
    clear: () => rmSync(file, { force: true }),
  };
}
