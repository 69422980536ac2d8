/** Opens the database as soon as it is told to. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { once } from "node:events"
import * as SqliteRegistry from "../../src/SqliteRegistry.ts"

const [filename = ""] = process.argv.slice(2)

console.log("ready")
await once(process.stdin, "data")
await Effect.runPromise(Effect.scoped(Layer.build(SqliteRegistry.layer({ filename }))))
process.stdin.destroy()
