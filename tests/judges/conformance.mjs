#!/usr/bin/env node
// Runs the MCP conformance suite (npm `@modelcontextprotocol/conformance`) against a server and
// says which checks failed, apart for scenarios that count and scenarios that do not.
//
// Usage: conformance.mjs --url URL [--requirements REVISION]… [--output DIR]
//
// Prints one JSON object and exits with 0 if no scored scenario failed. README.md describes it.

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const installed = process.env.JUDGES_DIR ?? join(import.meta.dirname, "../../target/judges");
const program = join(installed, "node_modules/.bin/conformance");

const { values } = parseArgs({
  options: {
    url: { type: "string" },
    requirements: { type: "string", multiple: true, default: ["2026-07-28", "2025-11-25"] },
    output: { type: "string" },
  },
});
if (!values.url) {
  console.error("Usage: conformance.mjs --url URL [--requirements REVISION]… [--output DIR]");
  process.exit(2);
}

/** Runs the suite's program; a failing check is an exit code of 1 and no reason to stop. */
function suite(...words) {
  return new Promise((resolve) => {
    const limits = { timeout: 15 * 60_000, maxBuffer: 256 << 20 };
    execFile(process.execPath, [program, ...words], limits, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? error.signal) : 0, stdout, stderr });
    });
  });
}

/** The server's scenarios of a revision: those that are scored, and why others are not. */
async function scenarios(revision) {
  const { stdout } = await suite("list", "--server", "--requirements", revision);
  const scored = [];
  const unscored = new Map();
  let heading = "";
  for (const line of stdout.split("\n")) {
    const scenario = line.match(/^  - (\S+)$/)?.[1];
    const other = line.match(/^    - (\S+) \[server\]$/)?.[1];
    if (scenario && heading.startsWith("Server scenarios")) scored.push(scenario);
    else if (other) unscored.set(other, heading);
    else if (/^\s{0,2}\S/.test(line) && !scenario) heading = line.trim().replace(/ \(\d+\):$/, "");
  }
  return { scored, unscored };
}

/** What the suite wrote: one folder a scenario, `server-<scenario>-<time>/checks.json`. */
function results(folder) {
  const found = new Map();
  for (const name of readdirSync(folder)) {
    const scenario = name.match(/^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/)?.[1];
    if (!scenario) continue;
    found.set(scenario, JSON.parse(readFileSync(join(folder, name, "checks.json"), "utf8")));
  }
  return found;
}

function described(scenario, check) {
  return { scenario, check: check.id, message: check.errorMessage ?? check.description };
}

async function run(revision) {
  const { scored, unscored } = await scenarios(revision);
  const folder = values.output
    ? join(values.output, revision)
    : mkdtempSync(join(tmpdir(), "conformance-"));
  if (values.output) rmSync(folder, { recursive: true, force: true });
  const { code, stdout, stderr } = await suite(
    ...["server", "--url", values.url, "--requirements", revision, "-o", folder],
  );
  const report = {
    requirements: revision,
    passed: [],
    failed: [],
    warnings: [],
    unscored_passed: [],
    unscored_failed: [],
  };
  let found = new Map();
  try {
    found = results(folder);
  } catch (error) {
    report.failed.push({ scenario: null, check: null, message: `no results: ${error}` });
  }
  for (const scenario of [...scored, ...unscored.keys()]) {
    const counts = !unscored.has(scenario);
    const checks = found.get(scenario);
    const failures = (checks ?? [])
      .filter((check) => check.status === "FAILURE")
      .map((check) => described(scenario, check));
    if (!checks) failures.push({ scenario, check: null, message: "left no result" });
    const why = counts ? {} : { unscored: unscored.get(scenario) };
    const list = counts ? report.failed : report.unscored_failed;
    list.push(...failures.map((failure) => ({ ...failure, ...why })));
    if (failures.length === 0) (counts ? report.passed : report.unscored_passed).push(scenario);
    for (const check of checks ?? []) {
      if (check.status === "WARNING") report.warnings.push({ ...described(scenario, check), ...why });
    }
  }
  // The suite's own verdict must agree, or this script misreads it.
  if (scored.length === 0 || (code !== 0) !== report.failed.length > 0) {
    const said = stdout.trim().split("\n").slice(-15).join("\n");
    const message = `the suite ended with ${code}, which these results do not explain: ${said} ${stderr}`;
    report.failed.push({ scenario: null, check: null, message });
  }
  if (!values.output) rmSync(folder, { recursive: true, force: true });
  return report;
}

const runs = [];
for (const revision of values.requirements) {
  runs.push(await run(revision));
}
const ok = runs.every((report) => report.failed.length === 0);
const report = JSON.stringify({ judge: "conformance", ok, runs }, null, 2);
process.stdout.write(`${report}\n`, () => process.exit(ok ? 0 : 1));
