import * as EncryptedBlobs from "@omnifile/core/EncryptedBlobs"
import * as BlobStoreSuite from "@omnifile/testkit/BlobStoreSuite"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import * as DiskBlobs from "../src/DiskBlobs.ts"
import { temporaryDirectory } from "./temporary.ts"

const directory = temporaryDirectory()
const keys = [{ id: "key-1", secret: Redacted.make(new Uint8Array(randomBytes(32))) }] as const
const open = () => EncryptedBlobs.layer({ keys }).pipe(Layer.provide(DiskBlobs.layer({ directory })))

BlobStoreSuite.suite("disk, encrypted", open())
BlobStoreSuite.reopenSuite("disk, encrypted", open)
BlobStoreSuite.sharedSuite("disk, encrypted", open)
