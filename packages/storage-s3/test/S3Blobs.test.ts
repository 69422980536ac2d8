import * as BlobStoreSuite from "@omnifile/testkit/BlobStoreSuite"
import * as S3Blobs from "../src/S3Blobs.ts"
import * as S3Server from "./S3Server.ts"

const complete = await S3Server.start({ complete: true })

BlobStoreSuite.suite("s3", S3Blobs.layer(complete.options))
BlobStoreSuite.reopenSuite("s3", () => S3Blobs.layer(complete.options))
BlobStoreSuite.sharedSuite("s3", () => S3Blobs.layer(complete.options))
