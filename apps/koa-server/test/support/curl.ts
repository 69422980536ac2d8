/** As much of curl as the printed commands use, for machines that have none. */
import { readFileSync } from "node:fs"
import { basename } from "node:path"
import { parseArgs } from "node:util"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    silent: { type: "boolean", short: "s" },
    header: { type: "string", short: "H", multiple: true, default: [] },
    form: { type: "string", short: "F", multiple: true },
    data: { type: "string", short: "d" }
  }
})

const toForm = (fields: ReadonlyArray<string>): FormData => {
  const form = new FormData()
  for (const field of fields) {
    const [name = "", value = ""] = field.split(/=(.*)/s)
    const path = value.slice(1)
    if (value.startsWith("@")) form.append(name, new File([readFileSync(path)], basename(path)))
    else form.append(name, value)
  }
  return form
}

const answer = await fetch(positionals[0] ?? "", {
  method: "POST",
  headers: values.header.map((line): [string, string] => {
    const [name = "", value = ""] = line.split(/: *(.*)/)
    return [name, value]
  }),
  body: values.form === undefined ? (values.data ?? null) : toForm(values.form)
})
process.stdout.write(await answer.text())
