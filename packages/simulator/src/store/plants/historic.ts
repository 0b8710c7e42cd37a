// The serious data and watch bugs of etcd's last years, each put into this store as near to the original as its design allows.
// Source: the track record in etcd's tests/robustness/README.md.
import { encodeRevision, type Watcher, type WatchHub } from "@lenj/mvcc";
import type { DataFolder, LevelDatabase, Replica, WriteOperation } from "@lenj/store/testing";
import type { StoreMember } from "../store-member.js";
import type { StoreOptions } from "../store-options.js";
import { leaveOutRows, noPlant, type Plant } from "./plant.js";

export interface HistoricBug {
  /** Number of etcd's issue; a letter tells two bugs of one issue apart. */
  readonly name: string;
  readonly symptom: string;
  /** How it is put in here. */
  readonly planted: string;
  /** The corner of the options in which it shows, for one that all of them seldom reach. */
  readonly corner?: Partial<StoreOptions>;
  /** Anew for each run. */
  readonly plant: () => Plant;
}

const onOpened = (apply: (replica: Replica, member: StoreMember) => void): Plant => ({
  ...noPlant,
  onOpened: (member, replica) => apply(replica, member),
});

/** Writes to one database go through `change`, which gets what is to be written and how to write it. */
const onWrite = (
  name: "state" | "log",
  change: (operations: readonly WriteOperation[], write: (some: readonly WriteOperation[]) => Promise<void>) => Promise<void>,
): Plant => ({
  ...noPlant,
  folder: (folder) => ({
    ...folder,
    open: async (which) => {
      const database = await folder.open(which);
      if (which !== name) return database;
      const write = database.write.bind(database);
      database.write = (operations) => change(operations, write);
      return database;
    },
  }),
});

/** As the store names them on disk. */
const isAppliedRow = ({ key }: WriteOperation): boolean => Buffer.from(key).toString("latin1") === "mapplied";
const isScheduledCompaction = (key: Uint8Array): boolean => Buffer.from(key).toString("latin1") === "scheduledCompactRev";
/** Every so many writes, so that a run is not over at its first restart. */
const everyFewWrites = 3;

function appliedIndexFirst(): Plant {
  return onWrite("state", async (operations, write) => {
    await write(operations.filter(isAppliedRow));
    await write(operations.filter((operation) => !isAppliedRow(operation)));
  });
}

function appliedIndexLeftOut(): Plant {
  let writes = 0;
  return onWrite("state", (operations, write) => {
    writes += 1;
    return write(writes % everyFewWrites === 0 ? operations.filter((operation) => !isAppliedRow(operation)) : operations);
  });
}

function answersBeforeDurable(): Plant {
  return onWrite("log", (operations, write) => {
    write(operations).catch(() => {});
    return Promise.resolve();
  });
}

/** A state that arrived whole is opened without some table. */
function restoredWithout(prefix: string): Plant {
  const skipRows = (database: LevelDatabase): LevelDatabase => {
    const rows = database.rows.bind(database);
    database.rows = async function* (gte, lt, view) {
      if (Buffer.from(gte).toString("latin1") !== prefix) yield* rows(gte, lt, view);
    };
    return database;
  };
  return {
    ...noPlant,
    folder: (folder, member): DataFolder => {
      let hasInstalled = false;
      return {
        ...folder,
        installIncoming: () => {
          const before = member.disk.installed;
          folder.installIncoming();
          hasInstalled = member.disk.installed > before;
        },
        open: async (name) => {
          const database = await folder.open(name);
          return name === "state" && hasInstalled ? skipRows(database) : database;
        },
      };
    },
  };
}

/** Streams see their watches other than the hub does. */
function showToStreams(watches: WatchHub, shown: Partial<Pick<Watcher, "isSynced" | "startRevision">>): void {
  const real = new WeakMap<object, Watcher>();
  const add = watches.add.bind(watches);
  watches.add = (options) => {
    const watcher = add(options);
    const proxy = new Proxy(watcher, {
      get: (target, name) => (name in shown ? shown[name as keyof typeof shown] : (Reflect.get(target, name) as unknown)),
    });
    real.set(proxy, watcher);
    return proxy;
  };
  const remove = watches.remove.bind(watches);
  watches.remove = (watcher) => remove(real.get(watcher) ?? watcher);
}

export const historicBugs: readonly HistoricBug[] = [
  {
    name: "13766",
    symptom: "data and applied index disagree after a crash",
    planted: "the applied index is written before the data it stands for",
    plant: appliedIndexFirst,
  },
  {
    name: "14370",
    symptom: "an acknowledged write is lost by a crash",
    planted: "the log says that it has written before it is on disk",
    plant: answersBeforeDurable,
  },
  {
    name: "14571",
    symptom: "state in memory is not that of the snapshot that was taken (there: auth)",
    planted: "leases are not loaded from a state that arrived whole",
    plant: () => restoredWithout("l"),
  },
  {
    name: "14685",
    symptom: "entries are applied twice after a crash during defragmentation",
    planted: "some groups are written without their applied index",
    plant: appliedIndexLeftOut,
  },
  {
    name: "15220",
    symptom: "progress is reported before events that it covers",
    planted: "watches that are behind count as caught up when progress is asked for",
    plant: () => onOpened(({ watches }) => showToStreams(watches, { isSynced: true })),
  },
  {
    name: "15271",
    symptom: "a watch goes back in time after its member took a snapshot",
    planted: "a watch that fell behind is read again from where it was opened",
    plant: () =>
      onOpened(({ watches }) => {
        const catchUp = watches.catchUp.bind(watches);
        const seen = new Set<object>();
        const add = watches.add.bind(watches);
        const all: { nextRevision: number; startRevision: number; isSynced: boolean }[] = [];
        watches.add = (options) => {
          const watcher = add(options);
          all.push(watcher);
          return watcher;
        };
        watches.catchUp = () => {
          for (const watcher of all) {
            if (watcher.isSynced || seen.has(watcher) || watcher.startRevision <= 0) continue;
            seen.add(watcher);
            watcher.nextRevision = watcher.startRevision;
          }
          return catchUp();
        };
      }),
  },
  {
    name: "17247",
    symptom: "a transaction's events reach watches twice",
    planted: "the events of a batch with several are handed to watches twice",
    plant: () =>
      onOpened(({ watches }) => {
        const notify = watches.notify.bind(watches);
        watches.notify = (events) => notify(events.length > 1 ? [...events, ...events.slice(-1)] : events);
      }),
  },
  {
    name: "17529",
    symptom: "a watch that starved misses events",
    planted: "a watch that fell behind goes on with what comes next",
    plant: () =>
      onOpened(({ watches, state }) => {
        const catchUp = watches.catchUp.bind(watches);
        const all: { nextRevision: number; isSynced: boolean; startRevision: number }[] = [];
        const add = watches.add.bind(watches);
        watches.add = (options) => {
          const watcher = add(options);
          // Only ones that were caught up once: the others are read from the beginning.
          if (watcher.isSynced) all.push(watcher);
          return watcher;
        };
        watches.catchUp = () => {
          for (const watcher of all) if (!watcher.isSynced) watcher.nextRevision = state.space.currentRevision + 1;
          return catchUp();
        };
      }),
  },
  {
    name: "17780",
    symptom: "the revision goes down after a crash during compaction",
    planted: "a restart does not find the mark of a scheduled compaction",
    plant: () => ({
      ...noPlant,
      folder: (folder) => ({
        ...folder,
        open: async (name) => {
          const database = await folder.open(name);
          const get = database.get.bind(database);
          database.get = (key) => (isScheduledCompaction(key.subarray(1)) ? undefined : get(key));
          return database;
        },
      }),
    }),
  },
  {
    name: "18089",
    symptom: "a watch misses a deletion that was compacted",
    planted: "a compaction drops the deletion exactly at its revision, too",
    plant: () =>
      onOpened(({ state: { space } }) => {
        const dropSome = space.dropSome.bind(space);
        space.dropSome = (limit) => {
          for (const event of space.eventsBetween(space.compactRevision, space.compactRevision, Number.POSITIVE_INFINITY).events) {
            if (event.type === "delete") space.backend.delete("key", encodeRevision(event.main, event.sub));
          }
          return dropSome(limit);
        };
      }),
  },
  {
    name: "18055",
    symptom: "a second snapshot soon after the first breaks the member",
    planted: "a snapshot older than the state is taken all the same",
    corner: {
      ...{ members: 3, writers: 5, thinkMs: 20, snapshotCount: 5, catchUpEntries: 0, lossPerMille: 10, faultEveryMs: 1_000 },
      faults: ["partition", "oneWay", "isolateLeader", "crash", "lossBurst", "lag"],
    },
    plant: () => ({
      ...noPlant,
      takesLateSnapshots: true,
      folder: (folder) => ({ ...folder, dropIncoming: () => folder.installIncoming() }),
    }),
  },
  {
    name: "18667",
    symptom: "a transaction that reads a compacted revision ends differently on different members",
    planted: "a compacted revision stays readable until this member has dropped its rows",
    plant: () =>
      onOpened(({ state: { space } }) => {
        const checkReadable = space.checkReadable.bind(space);
        space.checkReadable = (revision) => {
          if (!space.hasDroppable || revision >= space.compactRevision) checkReadable(revision);
        };
      }),
  },
  {
    name: "19179",
    symptom: "a watch opened at the compacted revision misses the deletion there",
    planted: "deletions at the compacted revision are not read for watches",
    plant: () =>
      onOpened(({ state: { space } }) => {
        const eventsBetween = space.eventsBetween.bind(space);
        space.eventsBetween = (from, last, bytesMax) => {
          const { events, through } = eventsBetween(from, last, bytesMax);
          return { events: events.filter(({ type, main }) => type === "put" || main !== space.compactRevision), through };
        };
      }),
  },
  {
    name: "20221a",
    symptom: "a watch that starts in the future is told of progress",
    planted: "such a watch counts as begun when progress is asked for",
    plant: () => onOpened(({ watches }) => showToStreams(watches, { startRevision: 0 })),
  },
  {
    name: "20221b",
    symptom: "a watch that starts in the future is told of older events",
    planted: "such a watch gets everything from the next revision on",
    plant: () =>
      onOpened(({ watches, state }) => {
        const add = watches.add.bind(watches);
        watches.add = (options) => {
          const watcher = add(options);
          watcher.nextRevision = Math.min(watcher.nextRevision, state.space.currentRevision + 1);
          return watcher;
        };
      }),
  },
  {
    name: "20271",
    symptom: "a member does not start from the database it has (there: a page of bbolt)",
    planted: "a state that arrived is taken without a part of it",
    plant: () => ({
      ...noPlant,
      partials: (partials) => ({
        ...partials,
        open: async (name) => {
          const database = await partials.open(name);
          leaveOutRows(database);
          return database;
        },
      }),
    }),
  },
  {
    name: "20418",
    symptom: "a leader that was paused answers reads with what was overtaken",
    planted: "a leader answers linearizable reads without asking the others",
    plant: () =>
      onOpened((replica) => {
        const linearizable = replica.linearizable.bind(replica);
        replica.linearizable = () => (replica.isLeader ? Promise.resolve() : linearizable());
      }),
  },
];
