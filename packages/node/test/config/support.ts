import { assert, it } from "@effect/vitest"
import * as Configuration from "@omnifile/node/config/Configuration"
import * as Effect from "effect/Effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** The shortest configuration there is, with parts of it exchanged or lines added at the end (from line 7 on). */
export const text = ({
  account = "id: main, provider: openai, api_key: sk-1",
  deployments = "{ account: main, model: gpt-1 }",
  key = "key: client-1",
  more = ""
} = {}): string => `accounts:
  - { ${account} }
models:
  - { name: gpt, deployments: [${deployments}] }
keys:
  - { ${key} }
${more}`

export const parse = (
  yaml: string,
  options: Partial<Configuration.ParseOptions> = {}
): Effect.Effect<Configuration.Configuration, Configuration.ConfigurationError> =>
  Configuration.parse(yaml, { file: "omnifile.yaml", env: {}, cwd: "/srv", providers: ["openai"], ...options })

export interface Case {
  readonly title: string
  readonly yaml: string
  /** Without the name of the file. */
  readonly problems: ReadonlyArray<string>
}

/** Tests that these are the problems of a file, all of them and in this order. */
export const itTells = ({ problems, title, yaml }: Case): void =>
  it.effect(title, () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(parse(yaml))
      assert.deepStrictEqual(
        error.message.split("\n"),
        problems.map((problem) => `omnifile.yaml:${problem}`)
      )
    })
  )

/** Gives a directory that is removed afterwards. */
export const withDirectory = <A, E>(use: (directory: string) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.acquireUseRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "omnifile-"))),
    use,
    (directory) => Effect.promise(() => rm(directory, { recursive: true }))
  )
