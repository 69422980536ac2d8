// Packs the package of the working directory as it would be published and checks what a user would get.
// Run by turbo in each publishable package, after its build.
import { spawnSync } from "node:child_process"
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs"
import { isBuiltin } from "node:module"
import { tmpdir } from "node:os"
import path from "node:path"
import { init, parse } from "es-module-lexer"
import { formatMessage } from "publint/utils"
import { publint } from "publint"

const source = process.cwd()
const problems = []

const run = (command, args, options = {}) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8", ...options })
  return { ok: status === 0, output: error === undefined ? `${stdout}${stderr}`.trim() : error.message }
}
const must = (...call) => {
  const { ok, output } = run(...call)
  if (!ok) throw new Error(`${call[0]} failed:\n${output}`)
  return output
}

const packageOf = (specifier) => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")
const dependenciesOf = (manifest) => Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })

/** A project that has installed the package: the unpacked tarball beside the dependencies that it declares. */
const installPacked = (project) => {
  must("pnpm", ["pack", "--pack-destination", project])
  const [tarball] = globSync("*.tgz", { cwd: project }).map((name) => path.join(project, name))
  const manifest = JSON.parse(must("tar", ["-xzOf", tarball, "package/package.json"]))
  const installed = path.join(project, "node_modules", manifest.name)
  mkdirSync(installed, { recursive: true })
  must("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"])
  for (const name of dependenciesOf(manifest)) {
    const link = path.join(project, "node_modules", name)
    mkdirSync(path.dirname(link), { recursive: true })
    symlinkSync(realpathSync(path.join(source, "node_modules", name)), link)
  }
  return { tarball, manifest, installed }
}

/** Returns the modules and declarations among the files. */
const checkFiles = (installed) => {
  const files = globSync("**/*", { cwd: installed, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(installed, path.join(entry.parentPath, entry.name)))
  for (const name of ["package.json", "README.md", "LICENSE"]) {
    if (!files.includes(name)) problems.push(`${name} is missing`)
  }
  const expected = /^(dist\/.+|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/
  for (const file of files.filter((file) => !expected.test(file))) problems.push(`${file} should not be there`)
  return files.filter((file) => /\.m?js$|\.d\.m?ts$/.test(file))
}

/** An import or re-export in a declaration, with `from` or without, that is not in a comment; `"from"` is a name. */
const declarationForm = /^(?!\s*(?:\*|\/\/))(?:import|.*?(?:(?<!")\bfrom|\bimport\())\s*"([^"]+)"/gm

/** What a module, or a declaration, imports by a name that it spells out. */
const importsOf = (file, text) =>
  /\.d\.m?ts$/.test(file)
    ? Array.from(text.matchAll(declarationForm), ([, specifier]) => specifier)
    : parse(text, file)[0].flatMap(({ n }) => n ?? [])

/** Every import leads to a file of the package, a Node.js module or a declared dependency. */
const checkImports = (installed, manifest, files) => {
  const declared = dependenciesOf(manifest)
  for (const file of files) {
    for (const specifier of importsOf(file, readFileSync(path.join(installed, file), "utf8"))) {
      if (specifier.startsWith(".")) {
        const target = path.join(installed, path.dirname(file), specifier)
        const emitted = /\.d\.m?ts$/.test(file) ? target.replace(/\.(m?)js$/, ".d.$1ts") : target
        if (!existsSync(emitted)) problems.push(`${file}: "${specifier}" leads nowhere`)
      } else if (!isBuiltin(specifier) && !declared.includes(packageOf(specifier))) {
        problems.push(`${file}: "${specifier}" is not a declared dependency`)
      }
    }
  }
}

/** The entry points by name: `.` and, for the pattern `./*`, each module of dist. */
const entryPoints = (installed, exports = {}) =>
  Object.entries(exports).flatMap(([entry, target]) => {
    if (target === null || entry === "./package.json") return []
    if (!entry.includes("*")) return [entry]
    const pattern = target.default.replace(/^\.\//, "")
    return globSync(pattern, { cwd: installed })
      .filter((file) => file !== "dist/index.mjs")
      .map((file) => entry.replace("*", file.slice(pattern.indexOf("*"), pattern.indexOf("*") - pattern.length + 1)))
  })

const checkTypes = (tarball, entries) => {
  const options = "--profile esm-only --no-definitely-typed --no-emoji --format ascii".split(" ")
  const { ok, output } = run("attw", [tarball, ...options, "--entrypoints", ...entries])
  if (!ok) problems.push(`attw:\n${output}`)
}

const checkManifest = async (tarball, manifest) => {
  const file = readFileSync(tarball)
  const { messages } = await publint({
    pack: { tarball: file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) },
    strict: true
  })
  for (const message of messages) problems.push(`publint: ${formatMessage(message, manifest, { color: false })}`)
}

/** Loads each entry point by name under Node.js. */
const checkLoads = (project, manifest, entries) => {
  const names = entries.map((entry) => path.posix.join(manifest.name, entry))
  const program = `for (const name of ${JSON.stringify(names)}) await import(name)`
  const { ok, output } = run(process.execPath, ["--input-type=module", "--eval", program], { cwd: project })
  if (!ok) problems.push(`does not load:\n${output}`)
}

await init
const project = mkdtempSync(path.join(tmpdir(), "omnifile-pack-"))
try {
  const { tarball, manifest, installed } = installPacked(project)
  const files = checkFiles(installed)
  checkImports(installed, manifest, files)
  await checkManifest(tarball, manifest)
  const entries = entryPoints(installed, manifest.exports)
  if (entries.length > 0) {
    checkTypes(tarball, entries)
    checkLoads(project, manifest, entries)
  }
  for (const problem of problems) console.log(`${manifest.name}: ${problem}`)
  console.log(`${manifest.name}: ${files.length} files, ${entries.length} entry points, ${problems.length} problems`)
  if (problems.length > 0) process.exitCode = 1
} finally {
  rmSync(project, { recursive: true, force: true })
}
