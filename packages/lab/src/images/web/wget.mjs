#!/usr/bin/node
// The part of wget that tutorials use: wget [-q] [-O FILE|-] [-T SECONDS] [--post-data=TEXT] URL
import { createWriteStream } from "node:fs";
import { request } from "node:http";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";

const options = { output: undefined, timeoutSeconds: 30, post: undefined, url: undefined };
const words = process.argv.slice(2);
while (words.length > 0) {
  const word = words.shift();
  const cluster = /^-q?O(.*)$/.exec(word);
  if (cluster !== null) options.output = cluster[1] === "" ? words.shift() : cluster[1];
  else if (word === "-q" || word === "--quiet") continue;
  else if (word === "-T") options.timeoutSeconds = Number(words.shift());
  else if (/^-T\d/.test(word)) options.timeoutSeconds = Number(word.slice(2));
  else if (word.startsWith("--timeout=")) options.timeoutSeconds = Number(word.slice(10));
  else if (word.startsWith("--post-data=")) options.post = word.slice(12);
  else if (word.startsWith("-")) fail(`unknown option ${word}`);
  else options.url = word.includes("://") ? word : `http://${word}`;
}
if (options.url === undefined) fail("missing URL");

function fail(text) {
  console.error(`wget: ${text}`);
  process.exit(1);
}

const url = new URL(options.url);
const call = request(
  url,
  { method: options.post === undefined ? "GET" : "POST", timeout: options.timeoutSeconds * 1000 },
  async (response) => {
    if (response.statusCode >= 400) fail(`server returned error: HTTP/1.1 ${response.statusCode} ${response.statusMessage}`);
    const name = options.output ?? (basename(url.pathname) || "index.html");
    await pipeline(response, name === "-" ? process.stdout : createWriteStream(name), { end: name !== "-" });
  },
);
call.on("timeout", () => fail("download timed out"));
call.on("error", (error) => fail(`can't connect to remote host (${url.host}): ${error.code ?? error.message}`));
call.end(options.post);
