import fc from "fast-check";
import { matchesFieldSelector, parseFieldSelector } from "./field-selector.js";
import { compileLabelSelector, formatLabelSelector, Selector } from "./label-selector.js";
import { parseLabelSelector } from "./parse-label-selector.js";

describe("parseLabelSelector()", () => {
  it.each([
    ["app=web", "app=web"],
    ["app==web", "app==web"],
    [" tier in (b, a) , !canary ", "!canary,tier in (a,b)"],
    ["x notin (a)", "x notin (a)"],
    ["x", "x"],
    ["x=", "x="],
    ["in=notin", "in=notin"],
    ["size>3,size<10", "size>3,size<10"],
    ["x in (,)", "x in ()"],
    ["", ""],
  ])("reads %j", (text, printed) => {
    expect(parseLabelSelector(text).toString()).toBe(printed);
  });

  it.each([
    ["a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ["=x", "found '=', expected: !, identifier, or 'end of string'"],
    ["a,", "found '', expected: identifier after ','"],
    ["a in b", "unable to parse requirement: found 'b' expected: '('"],
    ["a in (b", "unable to parse requirement: found '', expected: ',' or ')'"],
    ["a in ()", "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"],
    ["a>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"],
  ])("refuses %j", (text, message) => {
    expect(() => parseLabelSelector(text)).toThrow(message);
  });

  it("matches as the requirements say", () => {
    const labels = { app: "web", size: "5" };
    const yes = ["app", "app=web", "app!=db", "missing!=x", "!missing", "app in (web,db)", "missing notin (a)", "size>4", "size<6", ""];
    const no = ["missing", "app=db", "!app", "app notin (web)", "size>5", "app>1"];
    expect(yes.filter((text) => !parseLabelSelector(text).matches(labels))).toEqual([]);
    expect(no.filter((text) => parseLabelSelector(text).matches(labels))).toEqual([]);
  });

  it("prints a text that parses to the same matcher", () => {
    const key = fc.constantFrom("a", "b", "example.com/c");
    const value = fc.constantFrom("", "x", "y", "z");
    const labels = fc.dictionary(key, value);
    const term = fc.oneof(
      fc.tuple(key, fc.constantFrom("=", "!=", "=="), value).map(([k, operator, v]) => `${k}${operator}${v}`),
      fc
        .tuple(key, fc.constantFrom("in", "notin"), fc.uniqueArray(value, { minLength: 1 }))
        .map(([k, operator, v]) => `${k} ${operator} (${v.join(",")}${v.length === 1 && v[0] === "" ? "," : ""})`),
      key,
      key.map((k) => `!${k}`),
    );
    fc.assert(
      fc.property(fc.array(term), labels, (terms, object) => {
        const selector = parseLabelSelector(terms.join(","));
        const printed = selector.toString();
        if (printed.includes("()")) return;
        expect(parseLabelSelector(printed).matches(object)).toBe(selector.matches(object));
      }),
    );
  });
});

describe("compileLabelSelector()", () => {
  it("takes a missing selector as nothing and an empty one as everything", () => {
    expect(compileLabelSelector(undefined)).toBe(Selector.nothing);
    expect(compileLabelSelector({}).matches({})).toBe(true);
  });

  it("joins matchLabels and matchExpressions", () => {
    const selector = { matchLabels: { app: "web" }, matchExpressions: [{ key: "tier", operator: "In", values: ["b", "a"] }] };
    expect(formatLabelSelector(selector)).toBe("app=web,tier in (a,b)");
    expect(compileLabelSelector(selector).matches({ app: "web", tier: "a" })).toBe(true);
    expect(compileLabelSelector(selector).matches({ app: "web" })).toBe(false);
  });
});

describe("parseFieldSelector()", () => {
  it("reads terms with empty and escaped values", () => {
    expect(parseFieldSelector("a.b=x,c!=,d==e\\,f")).toEqual([
      { field: "a.b", operator: "=", value: "x" },
      { field: "c", operator: "!=", value: "" },
      { field: "d", operator: "=", value: "e,f" },
    ]);
  });

  it("refuses a term without an operator", () => {
    expect(() => parseFieldSelector("abc")).toThrow("invalid selector: 'abc'; can't understand 'abc'");
  });

  it("matches every term", () => {
    const terms = parseFieldSelector("status.phase=Running,spec.nodeName!=n1");
    expect(matchesFieldSelector(terms, (field) => (field === "status.phase" ? "Running" : "n2"))).toBe(true);
    expect(matchesFieldSelector(terms, () => "Running")).toBe(true);
    expect(matchesFieldSelector(terms, () => "n1")).toBe(false);
  });
});
