import * as Effect from "effect/Effect"
import * as C from "../src/config/Configuration.ts"
const run = (t: string, env = {}) => { try { console.dir(Effect.runSync(C.parse(t, { file: "omnifile.yaml", env, cwd: "/srv", providers: ["openai"] })), {depth: 6}) } catch (e) { console.log(String((e as Error).message)) } ; console.log("---") }
run("server: { port: ${PORT:-4000}, host: a }\nmodels: 3")
run("b: &x [*x]\nc: *sk-foo\n? {a: 1}\n: 3\na: 4\nkeys: [{key: 'abc', models: }]\nserver: {prot: 3, apikey: '${X} ${Y} ${1}'}\nfoo: !bar x\nx: \"\\q\"\n<<: 3\n")
run("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\ni: [*h,*h,*h,*h,*h,*h,*h,*h,*h]\n")
