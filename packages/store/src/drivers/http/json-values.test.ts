import { JSONValues } from "./json-values.js";

describe("JSON values one after another", () => {
  it("are cut where each ends, however the text arrives", () => {
    const text = '{"a":{"b":"}{\\"}"}}\n {"c":1}{"d":[{}]}';
    for (let size = 1; size <= text.length; size += 1) {
      const values = new JSONValues();
      const found: string[] = [];
      for (let at = 0; at < text.length; at += size) found.push(...values.push(text.slice(at, at + size)));
      expect(found.map((value) => JSON.parse(value) as unknown)).toEqual([{ a: { b: '}{"}' } }, { c: 1 }, { d: [{}] }]);
      expect(values.rest).toBe("");
    }
  });

  it("leave what is not complete", () => {
    const values = new JSONValues();
    expect(values.push('{"a":1} {"b"')).toEqual(['{"a":1}']);
    expect(values.rest).toBe('{"b"');
  });
});
