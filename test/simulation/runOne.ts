import { runSeed } from "./simulation.ts"
const [from = "0", n = "100", prefix = "a"] = process.argv.slice(2)
const t0 = performance.now()
const tot: any = {}
const by: Record<string, number> = {}
let bad = 0
for (let i = Number(from); i < Number(from) + Number(n); i++) {
  const r = runSeed(`${prefix}${i}`)
  for (const k in r.statistics) tot[k] = (tot[k] ?? 0) + (r.statistics as any)[k]
  if (r.violations.length) {
    bad++
    const rule = r.violations[0]!.split(":")[0]!
    by[rule] = (by[rule] ?? 0) + 1
    if (by[rule] <= 3) console.log(r.seed, r.plan.profile, r.violations.slice(0, 3).map((v) => v.slice(0, 200)))
  }
}
console.log(bad, by, tot, (performance.now() - t0) / Number(n), "ms per seed")
