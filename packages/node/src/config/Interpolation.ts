/** `${NAME}` and `${NAME:-default}` in the texts of a configuration file. */
import * as Result from "effect/Result"

export type Environment = Readonly<Record<string, string | undefined>>

/** A variable's value; one that is set to nothing counts as not set. */
export const valueOf = (env: Environment, name: string): string | undefined =>
  Object.hasOwn(env, name) && env[name] !== "" ? env[name] : undefined

const reference = /\$\$\{|\$\{([^}]*)\}|\$\{/g
const inside = /^([A-Za-z_][A-Za-z0-9_]*)(:-([^]*))?$/

/**
 * The text with the values of the environment in place of references, or what is wrong with it, a message for
 * each reference. As in a shell, the default also stands in for a variable that is set but empty. `$${` is a
 * literal `${`. Values are not looked into again.
 */
export const interpolate = (text: string, env: Environment): Result.Result<string, ReadonlyArray<string>> => {
  const problems: Array<string> = []
  const replaced = text.replaceAll(reference, (whole, content: string | undefined) => {
    if (whole === "$${") return "${"
    const match = inside.exec(content ?? "")
    if (match === null) {
      problems.push("has a malformed reference: write ${NAME}, ${NAME:-default}, or $${ for a literal ${")
      return ""
    }
    const [, name = "", withDefault, byDefault = ""] = match
    if (withDefault !== undefined) return valueOf(env, name) ?? byDefault
    const value = Object.hasOwn(env, name) ? env[name] : undefined
    if (value === undefined) problems.push(`the environment variable ${name} is not set, and there is no default`)
    return value ?? ""
  })
  return problems.length === 0 ? Result.succeed(replaced) : Result.fail(problems)
}
