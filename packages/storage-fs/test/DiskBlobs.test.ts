import * as BlobStoreSuite from "@omnifile/testkit/BlobStoreSuite"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as DiskBlobs from "../src/DiskBlobs.ts"
const directory = mkdtempSync(join(tmpdir(), "omnifile-"))
BlobStoreSuite.suite("disk", DiskBlobs.layer({ directory }))
BlobStoreSuite.reopenSuite("disk", () => DiskBlobs.layer({ directory }))
BlobStoreSuite.sharedSuite("disk", () => DiskBlobs.layer({ directory }))
