// Packs every package as it would be published and checks what a user would get. Run after the build, by turbo.
// All in one process: loading TypeScript takes longer than the checks of most packages.
import { execFile } from "node:child_process"
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs"
import { isBuiltin } from "node:module"
import { availableParallelism, tmpdir } from "node:os"
import path from "node:path"
import { promisify } from "node:util"
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { problemKindInfo } from "@arethetypeswrong/core/problems"
import { init, parse } from "es-module-lexer"
import { formatMessage } from "publint/utils"
import { publint } from "publint"

const run = promisify(execFile)

const packageOf = (specifier) => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")
const dependenciesOf = (manifest) => Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })

/** A project that has installed the package: the unpacked tarball beside the dependencies that it declares. */
const installPacked = async (source, project) => {
  await run("pnpm", ["pack", "--pack-destination", project], { cwd: source })
  const [file] = globSync("*.tgz", { cwd: project }).map((name) => path.join(project, name))
  const { name } = JSON.parse(readFileSync(path.join(source, "package.json"), "utf8"))
  const installed = path.join(project, "node_modules", name)
  mkdirSync(installed, { recursive: true })
  await run("tar", ["-xzf", file, "-C", installed, "--strip-components=1"])
  const manifest = JSON.parse(readFileSync(path.join(installed, "package.json"), "utf8"))
  for (const name of dependenciesOf(manifest)) {
    const link = path.join(project, "node_modules", name)
    mkdirSync(path.dirname(link), { recursive: true })
    symlinkSync(realpathSync(path.join(source, "node_modules", name)), link)
  }
  return { tarball: readFileSync(file), manifest, installed }
}

/** Returns the modules and declarations among the files. */
const checkFiles = (installed, problems) => {
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
const checkImports = (installed, manifest, files, problems) => {
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

/** The ways to resolve a package that one of ES modules only, for Node.js, has nothing to say about. */
const ignoredResolutions = ["node10", "node16-cjs"]

const checkTypes = async (tarball, entrypoints, problems) => {
  const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)), { entrypoints })
  if (analysis.types === false) return problems.push("attw: has no types")
  for (const { kind, ...where } of analysis.problems) {
    if (ignoredResolutions.includes(where.resolutionKind)) continue
    problems.push(`attw: ${problemKindInfo[kind].shortDescription}: ${JSON.stringify(where)}`)
  }
}

const checkManifest = async (tarball, manifest, problems) => {
  const { messages } = await publint({
    pack: { tarball: tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.byteLength) },
    strict: true
  })
  for (const message of messages) problems.push(`publint: ${formatMessage(message, manifest, { color: false })}`)
}

/** Loads each entry point by name under Node.js. */
const checkLoads = async (project, manifest, entries, problems) => {
  const names = entries.map((entry) => path.posix.join(manifest.name, entry))
  const program = `for (const name of ${JSON.stringify(names)}) await import(name)`
  await run(process.execPath, ["--input-type=module", "--eval", program], { cwd: project }).catch(
    ({ message, stderr }) => problems.push(`does not load:\n${stderr || message}`)
  )
}

/** Returns the problems of a package. */
const check = async (source) => {
  const problems = []
  const project = mkdtempSync(path.join(tmpdir(), "omnifile-pack-"))
  try {
    const { tarball, manifest, installed } = await installPacked(source, project)
    const files = checkFiles(installed, problems)
    checkImports(installed, manifest, files, problems)
    await checkManifest(tarball, manifest, problems)
    const entries = entryPoints(installed, manifest.exports)
    if (entries.length > 0) {
      await checkTypes(tarball, entries, problems)
      await checkLoads(project, manifest, entries, problems)
    }
    for (const problem of problems) console.log(`${manifest.name}: ${problem}`)
    console.log(`${manifest.name}: ${files.length} files, ${entries.length} entry points, ${problems.length} problems`)
  } finally {
    rmSync(project, { recursive: true, force: true })
  }
  return problems
}

await init
const sources = globSync("packages/*").map((source) => path.resolve(source))
/** While one waits for a process, another is checked. */
const checkRest = async () => {
  for (let source = sources.pop(); source !== undefined; source = sources.pop()) {
    if ((await check(source)).length > 0) process.exitCode = 1
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, checkRest))
