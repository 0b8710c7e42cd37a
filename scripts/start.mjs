// `npm start`: set up, then bring up the lab in .lenj/. Arguments go to `lenj up`.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { setUp } from "./setup.mjs";

setUp();
const lenj = fileURLToPath(new URL("../packages/lab/dist/main.js", import.meta.url));
const result = spawnSync(process.execPath, [lenj, "up", ...process.argv.slice(2)], { stdio: "inherit" });
process.exit(result.status ?? 1);
