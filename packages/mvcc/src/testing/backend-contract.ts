import type { Backend } from "../backend.js";

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");

/** What every backend owes the key space. `create` makes an empty one; `reopen` stops it as a crash after a group boundary would. */
export function runBackendContract(name: string, create: () => Promise<{ readonly backend: Backend; close(): Promise<void> }>): void {
  describe(`${name} as a backend`, () => {
    let backend: Backend;
    let close: () => Promise<void>;
    beforeEach(async () => {
      const created = await create();
      backend = created.backend;
      close = () => created.close();
    });
    afterEach(() => close());

    it("has nothing under a key that was never written", () => {
      expect(backend.get("key", bytes("a"))).toBeUndefined();
    });

    it("sees a write at once", () => {
      backend.put("key", bytes("a"), bytes("1"));
      expect(Buffer.from(backend.get("key", bytes("a")) ?? []).toString()).toBe("1");
    });

    it("keeps equal keys of different tables apart", () => {
      backend.put("key", bytes("a"), bytes("1"));
      backend.put("meta", bytes("a"), bytes("2"));
      expect(Buffer.from(backend.get("key", bytes("a")) ?? []).toString()).toBe("1");
      expect(Buffer.from(backend.get("meta", bytes("a")) ?? []).toString()).toBe("2");
    });

    it("sees a deletion at once, also of a key written just before", () => {
      backend.put("lease", bytes("a"), bytes("1"));
      backend.delete("lease", bytes("a"));
      expect(backend.get("lease", bytes("a"))).toBeUndefined();
    });

    it("replaces a value, the empty one included", () => {
      backend.put("meta", bytes("a"), bytes("1"));
      backend.put("meta", bytes("a"), bytes(""));
      expect(backend.get("meta", bytes("a"))?.length).toBe(0);
    });

    it("takes any byte in keys and values", () => {
      const all = Uint8Array.from({ length: 256 }, (_unused, byte) => byte);
      backend.put("key", all, all);
      expect(Buffer.from(backend.get("key", all) ?? [])).toEqual(Buffer.from(all));
    });
  });
}
