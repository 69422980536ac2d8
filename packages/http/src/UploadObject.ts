/** Uploads and their parts as OpenAI's API describes them. Times in seconds since 1970. */
import type { Upload } from "@omnifile/core/UploadOperation"
import type { UploadPart } from "@omnifile/core/UploadSession"
import * as FileObject from "./FileObject.ts"

const seconds = (millis: number): number => Math.floor(millis / 1000)

export const uploadObject = ({ file, session, status }: Upload) => ({
  id: session.id,
  object: "upload" as const,
  bytes: session.bytes,
  created_at: seconds(session.createdAt),
  expires_at: seconds(session.expiresAt),
  filename: session.filename,
  purpose: session.purpose,
  status,
  file: file === null ? null : FileObject.fileObject(file)
})

/** `upload` is the ID of the upload that it is a part of. */
export const partObject = (part: UploadPart, upload: string) => ({
  id: part.id,
  object: "upload.part" as const,
  created_at: seconds(part.createdAt),
  upload_id: upload
})
