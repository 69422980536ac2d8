// House rules that oxlint has no rule of its own for. `.oxlintrc.json` says in which files each applies.

const isName = (node, name) => node.type === "Identifier" && node.name === name

const property = (node) => {
  if (node.type !== "MemberExpression") return undefined
  if (!node.computed) return node.property.name
  return node.property.type === "Literal" ? node.property.value : undefined
}

/** Effects are run by hosts only: a library returns them. */
const noEffectRun = {
  create: (context) => ({
    MemberExpression(node) {
      if (isName(node.object, "Effect") && /^run[A-Z]/.test(property(node) ?? "")) {
        context.report({ node, message: `Effect.${property(node)} outside a host. Return the effect instead.` })
      }
    }
  })
}

/** The clock is a service, so that tests can set it. */
const noAmbientClock = {
  create: (context) => ({
    NewExpression(node) {
      if (isName(node.callee, "Date") && node.arguments.length === 0) {
        context.report({
          node,
          message: "`new Date()` reads the machine's clock. Use effect/Clock or effect/DateTime."
        })
      }
    }
  })
}

export default {
  meta: { name: "omnifile" },
  rules: { "no-effect-run": noEffectRun, "no-ambient-clock": noAmbientClock }
}
