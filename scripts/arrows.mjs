// The architecture of the workspace as a table, and the check that the code keeps to it.
import { existsSync, globSync, readFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import path from "node:path"

/** Which workspace packages the source of a package may import. `*` stands for the rest of a name. */
const arrows = {
  core: [],
  http: ["core"],
  "storage-*": ["core"],
  translation: ["core"],
  "provider-*": ["core", "provider-openai", "translation"],
  "ai-sdk": ["core"],
  testkit: ["core"],
  node: [
    "core",
    "http",
    "storage-sqlite",
    "storage-postgres",
    "storage-redis",
    "storage-s3",
    "storage-azure-blob",
    "storage-gcs",
    "storage-fs",
    "provider-openai",
    "provider-azure",
    "provider-anthropic",
    "provider-gemini",
    "provider-vertex",
    "provider-bedrock",
    "provider-mistral",
    "provider-xai",
    "provider-together"
  ],
  koa: ["core", "http", "node"],
  express: ["core", "http", "node"]
}

/** Packages whose source runs on any JavaScript runtime: no Node.js module. */
const portable = ["core", "http", "translation", "provider-*", "ai-sdk"]

/** Modules that load a whole package; a library imports the one module that it needs. */
const barrel = /^(effect(\/[a-z-]+)?|@effect\/platform-node|@omnifile\/[a-z0-9-]+)$/

const maxLines = 500

const root = path.dirname(import.meta.dirname)
const read = (file) => readFileSync(path.join(root, file), "utf8")
const lineAt = (text, index) => text.slice(0, index).split("\n").length

const violations = []
const report = (file, line, message) => violations.push(`${file}:${line}: ${message}`)

const matches = (pattern, name) => (pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern)
const allowedFor = (library) =>
  Object.entries(arrows)
    .find(([pattern]) => matches(pattern, library))?.[1]
    .map((name) => `@omnifile/${name}`)

// --- the workspace -------------------------------------------------------------------------------------------------

/** The packages of the workspace. `library` is the short name of those under packages/, which the table is about. */
const members = globSync(["{packages,apps}/*/package.json", "{examples,bench}/package.json"], { cwd: root })
  .toSorted()
  .map((manifestFile) => {
    const directory = path.dirname(manifestFile)
    const manifest = JSON.parse(read(manifestFile))
    const shipped = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
    return {
      name: manifest.name,
      library: directory.startsWith("packages/") ? path.basename(directory) : undefined,
      directory,
      manifestFile,
      shipped,
      declared: [...shipped, ...Object.keys(manifest.devDependencies ?? {})]
    }
  })
const memberNames = new Set(members.map((member) => member.name))

const filesOf = (member) =>
  globSync(`${member.directory}/**/*.{ts,mts,mjs}`, {
    cwd: root,
    exclude: (file) => /(^|\/)(node_modules|dist|\.turbo)$/.test(file)
  }).toSorted()

// Statements start at the margin (oxfmt sees to it), which is what sets them apart from text and comments.
const importForms = [
  /^(?:import|export)\s(?:[\w\s{},*$]*?\s)?from\s*"([^"]+)"/gm,
  /^import\s*"([^"]+)"/gm,
  /^(?!\s*(?:\/\/|\*)).*?\bimport\("([^"]+)"\)/gm
]

/** The imports of a module. Those marked `erased` are of types alone. */
const importsOf = (text) =>
  importForms.flatMap((form) =>
    [...text.matchAll(form)].map((match) => ({
      specifier: match[1],
      erased: /^(import|export)\s+type\b/.test(match[0]),
      line: lineAt(text, match.index + match[0].lastIndexOf(match[1]))
    }))
  )

// --- the rules -----------------------------------------------------------------------------------------------------

const relativeViolation = (member, target, isSource) => {
  if (!target.startsWith(`${member.directory}/`)) return "leaves the package"
  if (!existsSync(path.join(root, target))) return "does not exist"
  if (isSource && !target.startsWith(`${member.directory}/src/`)) return "leaves src"
  if (isSource && target === `${member.directory}/src/index.ts`) return "is the index; import the module"
  return undefined
}

const builtinViolation = (member, specifier, isSource) => {
  if (!specifier.startsWith("node:")) return `is to be written "node:${specifier}"`
  const isPortable = portable.some((pattern) => matches(pattern, member.library ?? ""))
  return isSource && isPortable ? `in ${member.library}, which runs on any runtime` : undefined
}

const packageViolation = (member, specifier, isSource) => {
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")
  if (!isSource) {
    return name === member.name || member.declared.includes(name) ? undefined : `is no dependency of ${member.name}`
  }
  if (name === member.name) return "is of this package; import it by relative path"
  if (memberNames.has(name) && !allowedFor(member.library)?.includes(name))
    return `must not be used by ${member.library}`
  if (!member.shipped.includes(name)) return "is in neither dependencies nor peerDependencies"
  return barrel.test(specifier) ? "loads all of it; import a module of it" : undefined
}

/** A library ships what its table allows, and stands in the table. */
const checkManifest = (member) => {
  const allowed = allowedFor(member.library)
  if (allowed === undefined) return report(member.manifestFile, 1, `${member.library} is not in the table of arrows`)
  const text = read(member.manifestFile)
  for (const name of member.shipped.filter((name) => memberNames.has(name) && !allowed.includes(name))) {
    report(member.manifestFile, lineAt(text, text.indexOf(`"${name}"`)), `must not depend on ${name}`)
  }
}

/** Checks the imports of a file. Returns those that load another file of the package. */
const checkImports = (member, file, text) => {
  const isSource = member.library !== undefined && file.startsWith(`${member.directory}/src/`)
  return importsOf(text).flatMap(({ specifier, erased, line }) => {
    const target = specifier.startsWith(".") ? path.join(path.dirname(file), specifier) : undefined
    const violation =
      target !== undefined
        ? relativeViolation(member, target, isSource)
        : isBuiltin(specifier)
          ? builtinViolation(member, specifier, isSource)
          : packageViolation(member, specifier, isSource)
    if (violation !== undefined) report(file, line, `"${specifier}" ${violation}`)
    return target === undefined || erased ? [] : [{ target, line }]
  })
}

/** Calls back for every cycle that a depth-first walk over `edges` (node -> [{ target, line }]) closes. */
const findCycles = (edges, onCycle) => {
  const done = new Set()
  const walk = (node, trail) => {
    if (done.has(node)) return
    const here = [...trail, node]
    for (const { target, line } of edges.get(node) ?? []) {
      const start = here.indexOf(target)
      if (start >= 0) onCycle(node, line, [...here.slice(start), target])
      else walk(target, here)
    }
    done.add(node)
  }
  for (const node of edges.keys()) walk(node, [])
}

// --- the check -----------------------------------------------------------------------------------------------------

let fileCount = 0
for (const member of members) {
  if (member.library !== undefined) checkManifest(member)
  const modules = new Map()
  for (const file of filesOf(member)) {
    fileCount += 1
    const text = read(file)
    const lines = lineAt(text, text.trimEnd().length)
    if (lines > maxLines) report(file, maxLines + 1, `${lines} lines, at most ${maxLines}: split it`)
    // A tool's settings, which the tool reads with the root's dependencies.
    if (!file.endsWith(".config.ts")) modules.set(file, checkImports(member, file, text))
  }
  findCycles(modules, (file, line, cycle) =>
    report(file, line, `import cycle: ${cycle.map((module) => path.relative(member.directory, module)).join(" -> ")}`)
  )
}

// Development dependencies count: turbo wants a graph of packages without cycles.
const packageGraph = new Map(members.map((member) => [member.name, member.declared.map((target) => ({ target }))]))
findCycles(packageGraph, (name, _, cycle) => {
  const { manifestFile } = members.find((member) => member.name === name)
  report(manifestFile, 1, `dependency cycle: ${cycle.join(" -> ")}`)
})

for (const violation of violations) console.log(violation)
console.log(`${members.length} packages, ${fileCount} files, ${violations.length} violations`)
if (violations.length > 0) process.exitCode = 1
