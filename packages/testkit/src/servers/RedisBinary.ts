/**
 * Where there is a Redis server to test with: one that is installed, or Debian's package, unpacked into a cache
 * without being installed.
 */
import { execFile } from "node:child_process"
import { existsSync, globSync } from "node:fs"
import { mkdir, mkdtemp, rename, rm, symlink } from "node:fs/promises"
import { delimiter, join, resolve } from "node:path"
import { promisify } from "node:util"

export interface RedisBinary {
  readonly path: string
  /** What it needs in its environment. */
  readonly env: Readonly<Record<string, string>>
}

const run = promisify(execFile)

const names = ["redis-server", "valkey-server"]

/** The package with the program, and the libraries of it that a small system may lack. */
const packages = ["redis-tools", "libatomic1", "libjemalloc2", "liblzf1"]

const cache = resolve("node_modules/.cache/omnifile-redis-server")

const onPath = (): RedisBinary | undefined => {
  const directories = (process.env["PATH"] ?? "").split(delimiter)
  const path = directories.flatMap((directory) => names.map((name) => join(directory, name))).find(existsSync)
  return path === undefined ? undefined : { path, env: {} }
}

const download = async (directory: string): Promise<void> => {
  const get = () => run("apt-get", ["download", "-qq", ...packages], { cwd: directory, timeout: 60_000 })
  // A new machine does not know of any package; only root may tell it.
  await get().catch(async () => {
    await run("apt-get", ["update", "-qq"], { timeout: 60_000 })
    await get()
  })
}

const unpack = async (): Promise<void> => {
  await mkdir(join(cache, ".."), { recursive: true })
  const directory = await mkdtemp(`${cache}-`)
  try {
    await download(directory)
    for (const file of globSync("*.deb", { cwd: directory })) {
      await run("dpkg-deb", ["-x", file, "."], { cwd: directory })
    }
    // One program that goes by its name; the package with this name of it also wants to be started by the system.
    await symlink("redis-check-rdb", join(directory, "usr/bin/redis-server")).catch(() => {})
    // Tests that run at the same time may have been faster.
    await rename(directory, cache).catch(() => {})
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const cached = (): RedisBinary => {
  const libraries = globSync(join(cache, "{usr/lib,lib}/*-linux-gnu"))
  return { path: join(cache, "usr/bin/redis-server"), env: { LD_LIBRARY_PATH: libraries.join(delimiter) } }
}

/** Rejects with the reason if there is none to be had. */
export const find = async (): Promise<RedisBinary> => {
  const installed = onPath()
  if (installed !== undefined) return installed
  if (!existsSync(cache)) await unpack()
  const binary = cached()
  await run(binary.path, ["--version"], { env: { ...process.env, ...binary.env } })
  return binary
}
