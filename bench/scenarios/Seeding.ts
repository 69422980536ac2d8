/** Registries with many files in them. */
import type { Bench } from "../harness/Bench.ts"
import { Child, loadCore } from "../harness/Child.ts"
import type { SeedCommands } from "../servers/seed.ts"

export interface Seeded {
  readonly directory: string
  /** From the oldest to the newest. */
  readonly ids: ReadonlyArray<string>
}

export const seed = async (bench: Bench, count: number): Promise<Seeded> => {
  bench.say(`seeding ${count.toLocaleString("en")} files`)
  const directory = await bench.makeDirectory()
  const options = { directory, upstreamPort: bench.upstream.port }
  const seeder = await Child.start<SeedCommands>({ module: "servers/seed.ts", options, core: loadCore })
  const ids = await seeder.ask("seed", count)
  await seeder.stop()
  return { directory, ids }
}
