import * as RegistrySuite from "@omnifile/testkit/RegistrySuite"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as SqliteRegistry from "../src/SqliteRegistry.ts"
const filename = join(mkdtempSync(join(tmpdir(), "omnifile-")), "data", "x.db")
RegistrySuite.suite("sqlite", SqliteRegistry.layer({ filename }))
RegistrySuite.reopenSuite("sqlite", () => SqliteRegistry.layer({ filename }))
RegistrySuite.sharedSuite("sqlite", () => SqliteRegistry.layer({ filename }))
