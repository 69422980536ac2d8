/** The refusal to delete a file that unfinished jobs still read. */
import { Conflicting } from "./CallError.ts"
import type { Job } from "./Job.ts"

/** Jobs that the message names at most; of the rest it tells that they are there. */
export const namedReaders = 20

/** `readers` are more than {@link namedReaders} if there are more. */
export const fileInUse = (id: string, readers: ReadonlyArray<Pick<Job, "id" | "parent">>): Conflicting => {
  const known = readers.filter(({ parent }) => parent === undefined)
  // One that is just being created has no ID yet.
  const names = known.flatMap((job) => job.id ?? []).slice(0, namedReaders)
  const others = known.length > names.length ? ["others"] : []
  const which = names.length === 0 ? "a job that is being created" : [...names, ...others].join(", ")
  return new Conflicting({
    message: `The file ${id} is read by jobs that have not ended: ${which}.`,
    code: "file_in_use"
  })
}
