/** Rows for tests that need nothing but a row. */
import { Owner } from "../../src/Access.ts"
import { ManagedFile, originalVariant, Replica } from "../../src/ManagedFile.ts"

export const row = (key: string, changes: Partial<typeof ManagedFile.Type> = {}): ManagedFile =>
  new ManagedFile({
    key,
    id: `file-${key}`,
    state: "ready",
    owner: new Owner({ user: "alice", team: null, keyHash: null }),
    filename: "a.txt",
    bytes: 1,
    sha256: "",
    declaredType: null,
    contentType: "text/plain",
    purpose: "user_data",
    createdAt: 1,
    expiresAt: null,
    models: [],
    kept: true,
    replicas: [],
    lostUploads: [],
    instance: null,
    idempotency: null,
    dueAt: null,
    attempts: 0,
    ...changes
  })

export const replica = (changes: Partial<typeof Replica.Type> = {}): Replica =>
  new Replica({
    account: "east",
    variant: originalVariant,
    state: "ready",
    remoteId: "file-east",
    instance: null,
    expiresAt: null,
    createdAt: 1,
    updatedAt: 1,
    error: null,
    ...changes
  })
