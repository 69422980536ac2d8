/** Registries with many files in them. */
import type { Bench } from "../harness/Bench.ts"
import { Child, loadCore } from "../harness/Child.ts"
import type { SeedCommands } from "../servers/seed.ts"

export interface Seeded {
  readonly directory: string
  /** Of some files, evenly spread from the oldest to the newest. */
  readonly ids: ReadonlyArray<string>
}

export const seed = async (bench: Bench, files: number, wanted: number): Promise<Seeded> => {
  bench.say(`seeding ${files.toLocaleString("en")} files`)
  const directory = await bench.makeDirectory()
  const options = { directory, upstreamPort: bench.upstream.port }
  const seeder = await Child.start<SeedCommands>({ module: "servers/seed.ts", options, core: loadCore })
  const ids = await seeder.ask("seed", { files, ids: wanted })
  await seeder.stop()
  return { directory, ids }
}
