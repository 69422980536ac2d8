import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@omnifile/core/Bytes"
import { bytesOf, chunked, failing } from "@omnifile/testkit/suites/content"
import { existsSync } from "node:fs"
import { open } from "node:fs/promises"
import { setImmediate } from "node:timers/promises"
import { WriteFailure, writeDurably, type BatchFile } from "../src/BatchWriter.ts"

const MiB = 1024 * 1024

/** A file in memory that takes at most `limit` bytes in one write. */
const makeFile = (limit = Number.POSITIVE_INFINITY) => {
  const written: Array<Uint8Array> = []
  const calls: Array<string> = []
  const file: BatchFile = {
    writev: async (buffers) => {
      const bytes = Bytes.concat(buffers).slice(0, limit)
      written.push(bytes)
      calls.push("write")
      return { bytesWritten: bytes.byteLength }
    },
    datasync: async () => void calls.push("sync"),
    sync: async () => void calls.push("sync")
  }
  return { file, calls, content: () => Buffer.from(Bytes.concat(written)) }
}

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it was not rejected"),
    (cause: unknown) => cause
  )

describe("writeDurably", () => {
  it.each([1, 1_000, 65_536, 3 * MiB])("writes all chunks of %d bytes in order", async (size) => {
    const whole = bytesOf(1, size === 1 ? 5_000 : 5 * MiB + 1)
    const { calls, content, file } = makeFile()
    await writeDurably(file, Bytes.fromArray(...chunked(whole, size)))
    assert.isTrue(content().equals(whole))
    assert.strictEqual(calls.at(-1), "sync")
  })

  it("writes few batches", async () => {
    const { calls, file } = makeFile()
    await writeDurably(file, Bytes.fromArray(...chunked(bytesOf(1, 8 * MiB), 64 * 1024)))
    assert.isAtMost(calls.length, 10)
  })

  it("goes on where a write stopped half way", async () => {
    const whole = bytesOf(1, 2 * MiB + 17)
    const { content, file } = makeFile(100_003)
    await writeDurably(file, Bytes.fromArray(...chunked(whole, 64 * 1024)))
    assert.isTrue(content().equals(whole))
  })

  it("forces content to the disk while more comes", async () => {
    const { calls, file } = makeFile()
    await writeDurably(file, Bytes.fromArray(...chunked(bytesOf(1, 100 * MiB), MiB)))
    assert.strictEqual(calls.filter((call) => call === "sync").length, 4)
  })

  it("takes no more of its source than it can write", async () => {
    let taken = 0
    const source: Bytes.Bytes = {
      async *[Symbol.asyncIterator]() {
        for (; taken < 64; taken++) yield bytesOf(taken, MiB / 4)
      }
    }
    const { file } = makeFile()
    let begin = (): void => {}
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    let release = (): void => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const slow: BatchFile = {
      ...file,
      writev: async (buffers) => {
        begin()
        await released
        return file.writev(buffers)
      }
    }
    const writing = writeDurably(slow, source)
    await begun
    // Everything that can go on without the write goes on now.
    await setImmediate()
    assert.isAtMost(taken, 8)
    release()
    await writing
    assert.strictEqual(taken, 64)
  })

  it("is rejected with the error of the source as it is", async () => {
    const error = new Error("the client went away")
    const { file } = makeFile()
    assert.strictEqual(await rejection(writeDurably(file, failing(chunked(bytesOf(1, 3 * MiB), 1_000), error))), error)
  })

  it.each(["writev", "datasync", "sync"] as const)("tells when %s fails, and ends the source", async (method) => {
    const error = new Error("I/O error")
    let ended = false
    const source: Bytes.Bytes = {
      async *[Symbol.asyncIterator]() {
        try {
          yield* chunked(bytesOf(1, 100 * MiB), MiB)
        } finally {
          ended = true
        }
      }
    }
    const { file } = makeFile()
    const failure = await rejection(writeDurably({ ...file, [method]: () => Promise.reject(error) }, source))
    assert.instanceOf(failure, WriteFailure)
    if (failure instanceof WriteFailure) assert.strictEqual(failure.cause, error)
    assert.isTrue(ended)
  })

  it.runIf(existsSync("/dev/full"))("tells when the disk is full", async () => {
    const full = await open("/dev/full", "w")
    const failure = await rejection(writeDurably(full, Bytes.fromArray(bytesOf(1, 10))))
    await full.close()
    assert.instanceOf(failure, WriteFailure)
    assert.match(String((failure as WriteFailure).cause), /ENOSPC/)
  })
})
