// The root npm scripts start here. This file needs only Node.js >= 18 and npm: it gets the pnpm that package.json
// names, installs by the lockfile (which also brings the pinned Node.js), and runs the task with both of them.
import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { constants } from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")
const inRoot = (...segments) => path.join(root, ...segments)
const binaries = inRoot("node_modules/.bin")
const pinnedNode = path.join(binaries, "node")

/** An error that the person at the terminal can act on: shown without a stack. */
class TaskError extends Error {}

// npm describes its own project and settings to scripts in npm_* variables; pnpm would take them for its own.
const env = { ...process.env, TURBO_TELEMETRY_DISABLED: "1", TURBO_NO_UPDATE_NOTIFIER: "1" }
for (const name of Object.keys(env)) {
  if (/^npm_/i.test(name) && !/^npm_config_(registry|cache|userconfig)$/i.test(name)) delete env[name]
}

const children = new Set()
let stopSignal
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    stopSignal = signal
    if (children.size === 0) process.exit(128 + constants.signals[signal])
    // A terminal sends Ctrl-C to the children too; a second SIGINT would make a server skip its clean shutdown.
    if (signal === "SIGINT" && process.stdin.isTTY) return
    for (const child of children) child.kill(signal)
  })
}

/** Runs a program to its end. `output` is what it wrote to the streams that `stdio` names "pipe". */
const run = (command, args, { stdio = "inherit", cwd = root, onOutput = () => {} } = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text) => {
        output += text
        onOutput(text)
      })
    }
    children.add(child)
    child.on("error", (error) => {
      children.delete(child)
      reject(new TaskError(`${command}: ${error.message}`))
    })
    child.on("close", (code, signal) => {
      children.delete(child)
      resolve({ code: code ?? 128 + constants.signals[signal], output })
    })
  })

/** The path of the pinned pnpm: the one on PATH, else the one that npx keeps in npm's cache. */
const findPnpm = async () => {
  const version = JSON.parse(readFileSync(inRoot("package.json"), "utf8")).packageManager.replace(/^pnpm@|\+.*/g, "")
  const probe = "pnpm --version && command -v pnpm"
  // Not in the workspace, where another version of pnpm would try to replace itself by the pinned one.
  const elsewhere = { cwd: path.parse(root).root, stdio: ["ignore", "pipe", "ignore"] }
  const attempts = [
    ["sh", ["-c", probe], elsewhere],
    ["npx", ["--yes", `--package=pnpm@${version}`, "-c", probe], { ...elsewhere, stdio: ["ignore", "pipe", "inherit"] }]
  ]
  for (const [command, args, options] of attempts) {
    const [found, file] = (await run(command, args, options)).output.trim().split("\n")
    if (found === version && file !== undefined) return file
  }
  throw new TaskError(`pnpm ${version} is neither on PATH nor to be had by npx.`)
}

/** Changes when the lockfile or the manifest of a workspace package does. */
const dependencyHash = () => {
  const directories = ["packages", "apps"].flatMap((parent) =>
    readdirSync(inRoot(parent)).map((name) => path.join(parent, name))
  )
  const manifests = [".", "examples", "bench", ...directories.sort()].map((name) => path.join(name, "package.json"))
  const hash = createHash("sha256")
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml", ...manifests]) {
    if (existsSync(inRoot(file))) hash.update(`${file}\n`).update(readFileSync(inRoot(file)))
  }
  return hash.digest("hex")
}

/** Installs unless the last install is still good, and puts the installed programs and pnpm on PATH. */
const install = async () => {
  const stampFile = inRoot("node_modules/.omnifile-install.json")
  const stamp = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, "utf8")) : {}
  const hash = dependencyHash()
  const current = stamp.hash === hash && existsSync(stamp.pnpm)
  const pnpm = current ? stamp.pnpm : await findPnpm()
  if (!current) {
    // To standard error: the output of a server that is to be started is the only one on standard output.
    const installation = await run(pnpm, ["install", "--frozen-lockfile", "--reporter=append-only"], {
      stdio: ["ignore", 2, 2]
    })
    if (installation.code !== 0) throw new TaskError("pnpm install failed.")
    // The pinned Node.js needs glibc. Where it does not run, the running one has to do.
    if (spawnSync(pinnedNode, ["--version"]).status !== 0) rmSync(pinnedNode, { force: true })
    writeFileSync(stampFile, JSON.stringify({ hash, pnpm }))
  }
  env.PATH = [binaries, path.dirname(pnpm), env.PATH].join(path.delimiter)
  // Of a program that is run from its TypeScript, reading and compiling is half of a short life.
  env.NODE_COMPILE_CACHE ??= inRoot("node_modules/.cache/compile")
}

/** The pinned Node.js, or the running one on a platform that there is no pinned one for. */
const node = () => {
  if (existsSync(pinnedNode)) return pinnedNode
  const [major, minor] = process.versions.node.split(".").map(Number)
  if (major > 22 || (major === 22 && minor >= 19)) return process.execPath
  const platform = `${process.platform}-${process.arch}`
  throw new TaskError(`Node.js >= 22.19 is needed; this is ${process.version}, and none is pinned for ${platform}.`)
}

const turbo = (args, options) => run("turbo", ["run", ...args], options)

// --- start ---------------------------------------------------------------------------------------------------------

/** Relative paths (`--config`, `./data`) mean what they mean in the shell that npm was called from. */
const callerDirectory = () => (process.env.npm_lifecycle_event && process.env.INIT_CWD) || process.cwd()

const start = async (args) => {
  const build = await turbo(["build", "--filter=@omnifile/koa-server"], { stdio: ["ignore", "pipe", "pipe"] })
  if (build.code !== 0) {
    process.stderr.write(build.output)
    return build.code
  }
  // Memory for new objects, and of large buffers that are done with, is not to pile up: see docs/performance.md.
  env.MALLOC_MMAP_THRESHOLD_ ??= "524288"
  const program = ["--max-semi-space-size=16", inRoot("apps/koa-server/dist/main.mjs")]
  const server = await run(node(), [...program, ...args], { cwd: callerDirectory() })
  return server.code
}

// --- test ----------------------------------------------------------------------------------------------------------

/** Tasks of turbo. Each phase starts when the one before has succeeded; the steps of a phase run at the same time. */
const phases = [["lint", "arrows", "providers", "types", "knip"], ["unit"], ["pack:check"]]
const unitReport = inRoot(".cache/unit.json")

/** The output of steps that run at the same time would mix: theirs is shown at the end, if they fail. */
const runStep = async (name, alone) => {
  const started = Date.now()
  const options = ["--continue=dependencies-successful", "--log-prefix=none", "--log-order=grouped"]
  const { code, output } = await turbo([name, ...options], {
    stdio: ["ignore", "pipe", "pipe"],
    onOutput: alone ? (text) => process.stdout.write(text) : undefined
  })
  if (code !== 0 && !alone) process.stdout.write(`\n${output.trim()}\n\n`)
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  const [, cached, total] = output.match(/(\d+) cached, (\d+) total/) ?? []
  return { name, ok: code === 0, note: `${seconds} s${total !== undefined && cached === total ? ", cached" : ""}` }
}

const runPhases = async () => {
  const results = []
  try {
    await install()
    for (const phase of phases) {
      if (results.every((result) => result.ok)) {
        results.push(...(await Promise.all(phase.map((name) => runStep(name, phase.length === 1)))))
      }
    }
  } catch (error) {
    if (!(error instanceof TaskError)) throw error
    results.push({ name: "install", ok: false, note: error.message })
  }
  return results
}

/** Tests by vitest's own report, and one failure for each step that failed by something else than its tests. */
const count = (results) => {
  const report = existsSync(unitReport) ? JSON.parse(readFileSync(unitReport, "utf8")) : {}
  const { numPassedTests: passed = 0, numFailedTests = 0, numPendingTests = 0, numTodoTests = 0 } = report
  const failedSteps = results.filter((result) => !result.ok && !(result.name === "unit" && numFailedTests > 0))
  return { passed, failed: numFailedTests + failedSteps.length, skipped: numPendingTests + numTodoTests }
}

const test = async () => {
  if (!process.stdout.isTTY && env.FORCE_COLOR === undefined) env.NO_COLOR = "1"
  rmSync(unitReport, { force: true })
  const results = await runPhases()
  console.log("")
  for (const { name, ok, note } of results) console.log(`${ok ? "ok    " : "FAILED"}  ${name.padEnd(10)}  ${note}`)
  for (const name of phases.flat().filter((name) => results.every((result) => result.name !== name))) {
    console.log(`-       ${name.padEnd(10)}  not run`)
  }
  const { passed, failed, skipped } = count(results)
  console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`)
  return failed > 0 ? 1 : 0
}

// --- the others ----------------------------------------------------------------------------------------------------

const build = async (args) => (await turbo(["packages", "build", ...args])).code

const bench = async (args) => (await run(node(), [inRoot("bench/main.ts"), ...args])).code

const chaos = async (args) => (await run(node(), [inRoot("apps/koa-server/test/chaos/main.ts"), ...args])).code

const tasks = { start, test, build, bench, chaos }
const [name, ...args] = process.argv.slice(2)
if (!Object.hasOwn(tasks, name)) {
  console.error(`Usage: node scripts/run.mjs ${Object.keys(tasks).join(" | ")}`)
  process.exit(2)
}
try {
  if (name !== "test") await install()
  process.exit(await tasks[name](args))
} catch (error) {
  if (!(error instanceof TaskError)) throw error
  if (stopSignal === undefined) console.error(error.message)
  process.exit(stopSignal === undefined ? 1 : 128 + constants.signals[stopSignal])
}
