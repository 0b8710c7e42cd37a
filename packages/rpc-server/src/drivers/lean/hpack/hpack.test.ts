import fc from "fast-check";
import { HpackDecoder } from "./decoder.js";
import { DynamicTable } from "./dynamic-table.js";
import { encodeFields, encodeInteger } from "./encoder.js";
import { HpackError } from "./hpack-error.js";
import { decodeHuffman, encodeHuffman, huffmanCodes } from "./huffman.js";

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex");

function decode(decoder: HpackDecoder, block: Buffer): string[] {
  const fields: string[] = [];
  decoder.decode(block, 0, block.length, (name, value) => fields.push(`${name}: ${value}`));
  return fields;
}

/** Blocks of one connection in turn. */
function decodeAll(tableBytesMax: number, blocks: readonly string[]): string[][] {
  const decoder = new HpackDecoder(tableBytesMax);
  return blocks.map((block) => decode(decoder, bytes(block)));
}

const requests = [
  [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
  [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"],
  [":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com", "custom-key: custom-value"],
];
const dates = ["date: Mon, 21 Oct 2013 20:13:21 GMT", "date: Mon, 21 Oct 2013 20:13:22 GMT"];
const location = "location: https://www.example.com";
const responses = [
  [":status: 302", "cache-control: private", dates[0], location],
  [":status: 307", "cache-control: private", dates[0], location],
  [
    ":status: 200",
    "cache-control: private",
    dates[1],
    location,
    "content-encoding: gzip",
    "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
  ],
];

describe("HpackDecoder, with the examples of RFC 7541", () => {
  it("appendix C.2: each way to write a field", () => {
    expect(decodeAll(4_096, ["400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"])).toEqual([["custom-key: custom-header"]]);
    expect(decodeAll(4_096, ["040c 2f73 616d 706c 652f 7061 7468"])).toEqual([[":path: /sample/path"]]);
    expect(decodeAll(4_096, ["1008 7061 7373 776f 7264 0673 6563 7265 74"])).toEqual([["password: secret"]]);
    expect(decodeAll(4_096, ["82"])).toEqual([[":method: GET"]]);
  });

  it("appendix C.3: requests without Huffman code", () => {
    const blocks = [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    expect(decodeAll(4_096, blocks)).toEqual(requests);
  });

  it("appendix C.4: requests with Huffman code", () => {
    const blocks = [
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
      "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    expect(decodeAll(4_096, blocks)).toEqual(requests);
  });

  it("appendix C.5: responses that evict from a table of 256 bytes", () => {
    const blocks = [
      "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 54" +
        "6e17 6874 7470 733a 2f2f 7777 772e 6578 616d 706c 652e 636f 6d",
      "4803 3330 37c1 c0bf",
      "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d" +
        "4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572" +
        "7369 6f6e 3d31",
    ];
    expect(decodeAll(256, blocks)).toEqual(responses);
  });

  it("appendix C.6: the same with Huffman code", () => {
    const blocks = [
      "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b" +
        "97c8 e9ae 82ae 43d3",
      "4883 640e ffc1 c0bf",
      "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf" +
        "cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    expect(decodeAll(256, blocks)).toEqual(responses);
  });
});

describe("HpackDecoder", () => {
  it("counts a generation for every change of its table, and none for a block that leaves it alone", () => {
    const decoder = new HpackDecoder(4_096);
    decode(decoder, bytes("8286"));
    expect(decoder.generation).toBe(0);
    decode(decoder, bytes("4001 6101 62"));
    expect(decoder.generation).toBe(1);
    decode(decoder, bytes("be"));
    expect(decoder.generation).toBe(1);
    decode(decoder, bytes("20"));
    expect(decoder.generation).toBe(2);
  });

  it.each([
    ["an index of zero", "80"],
    ["an index beyond both tables", "be"],
    ["a name's index beyond both tables", "7f00"],
    ["a number that ends early", "ff"],
    ["a number that never ends", "ffff ffff ffff ffff ffff"],
    ["a string that is cut off", "0005 6162"],
    ["no value", "0001 61"],
    ["a table larger than was allowed", "3fe2 1f"],
    ["a change of the table after a field", "8220"],
    ["Huffman padding of more than seven bits", "0082 1fff 0161"],
    ["Huffman padding that is not all ones", "0081 1c01 61"],
    ["end of string in Huffman code", "0084 ffff ffff 0161"],
  ])("refuses %s", (_what, block) => {
    expect(() => decodeAll(4_096, [block])).toThrow(HpackError);
  });

  it("takes two changes of the table's size before the first field, as after two settings", () => {
    expect(decodeAll(4_096, ["20 3fe1 1f 82"])).toEqual([[":method: GET"]]);
  });

  it("throws nothing but HpackError, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
        const decoder = new HpackDecoder(4_096);
        try {
          for (const block of blocks) decode(decoder, Buffer.from(block));
        } catch (error) {
          if (!(error instanceof HpackError)) throw error;
        }
      }),
    );
  });

  it("decodes what the encoder writes", () => {
    const text = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 300 });
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 20 }), (fields) => {
        const block = encodeFields(fields);
        expect(decode(new HpackDecoder(4_096), block)).toEqual(fields.map(([name, value]) => `${name}: ${value}`));
      }),
    );
  });
});

describe("Huffman code", () => {
  it("is complete: the codes of all symbols fill the space of codes", () => {
    const codes = huffmanCodes();
    expect(codes).toHaveLength(257);
    expect(codes.reduce((sum, { bits }) => sum + 2 ** (30 - bits), 0)).toBe(2 ** 30);
    // Ends of the table in appendix B.
    expect(codes[0]).toEqual({ code: 0x1ff8, bits: 13 });
    expect(codes[255]).toEqual({ code: 0x3ffffee, bits: 26 });
    expect(codes[256]).toEqual({ code: 0x3fffffff, bits: 30 });
  });

  it("comes back as it was", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (plain) => {
        const text = Buffer.from(plain).toString("latin1");
        const coded = encodeHuffman(text);
        expect(decodeHuffman(coded, 0, coded.length)).toBe(text);
      }),
    );
  });
});

describe("DynamicTable", () => {
  it("evicts the oldest entries, and all for one that is larger than itself", () => {
    const table = new DynamicTable(110);
    for (const name of ["a", "b", "c", "d"]) table.add(name, "1");
    expect([table.length, table.bytes, table.at(0).name, table.at(2).name]).toEqual([3, 102, "d", "b"]);
    table.add("e", "x".repeat(200));
    expect([table.length, table.bytes]).toEqual([0, 0]);
  });

  it("holds what fits after thousands of entries", () => {
    const table = new DynamicTable(4_096);
    for (let n = 0; n < 5_000; n++) table.add(String(n).padStart(4, "0"), "");
    expect([table.length, table.at(0).name, table.at(table.length - 1).name]).toEqual([113, "4999", "4887"]);
  });
});

describe("encodeInteger()", () => {
  it("appendix C.1: 10 and 1337 in five bits, 42 in eight", () => {
    expect(encodeInteger(10, 5, 0)).toEqual(bytes("0a"));
    expect(encodeInteger(1337, 5, 0)).toEqual(bytes("1f9a0a"));
    expect(encodeInteger(42, 8, 0)).toEqual(bytes("2a"));
  });
});
