/** Rows of jobs, for tests that need nothing but a row. */
import { Owner } from "../../src/Access.ts"
import { Job, JobInput } from "../../src/Job.ts"

export const job = (key: string, changes: Partial<typeof Job.Type> = {}): Job =>
  new Job({
    key,
    kind: "batch",
    id: null,
    state: "creating",
    owner: new Owner({ user: "alice", team: null, keyHash: null }),
    account: "east",
    deployment: "both-east",
    modelName: "both",
    remoteId: null,
    reads: [],
    outputs: [],
    object: "{}",
    usage: null,
    instance: null,
    claimedUntil: null,
    createdAt: 1,
    updatedAt: 1,
    dueAt: null,
    attempts: 0,
    idempotency: null,
    ...changes
  })

export const reading = (file: string): JobInput =>
  new JobInput({ file, id: `file-${file}`, role: "input", remoteId: null })
