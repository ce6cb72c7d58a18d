/**
 * `zerobus spool repair`: reports the damage and what a repair would do. With `--yes` it repairs
 * the spool.
 */
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import {
  examineSpool,
  isRepairing,
  repairSpool as repairFolder
} from "../../internal/spool/repairSpool.ts"
import type { DamagedSpool, OffsetRange } from "../../internal/spool/damagedSpool.ts"
import type { SpoolFailure } from "../../internal/spool/spoolFailure.ts"
import { type CommandFailed, exitFix, exitTryAgain, failed } from "../terminal/CommandFailed.ts"
import { print, printJson, visible } from "../terminal/print.ts"
import { counted } from "../terminal/progress.ts"
import { holderOf } from "./showSpool.ts"

/** Flags and arguments of `repair`. */
export interface RepairInput {
  readonly folder: string
  readonly yes: boolean
  readonly json: boolean
}

const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, CommandFailed> =>
  Effect.tryPromise({
    try: run,
    catch: (error) => {
      const { kind, message } = error as SpoolFailure
      return failed(message, kind === "Unavailable" ? exitTryAgain : exitFix)
    }
  })

const rangeText = ({ first, last }: OffsetRange): string =>
  first === last ? String(first) : `${first} to ${last}`

/** Sentences that describe the damage. */
const damageText = ({ damage, lost, offsets, records }: DamagedSpool): ReadonlyArray<string> => [
  ...damage.map(({ byte, bytes, path }) => `${path} is damaged at byte ${byte} of ${bytes}.`),
  lost.length === 0
    ? "Every waiting offset can be read."
    : `Waiting offsets that cannot be read: ${lost.map(rangeText).join(", ")}.`,
  `Waiting and readable: ${counted(records, "record")} in ${counted(offsets, "offset")}.`
]

const damageJson = (found: DamagedSpool | undefined) => ({
  damage: found?.damage ?? [],
  lostOffsets: found?.lost ?? [],
  readableRecords: found?.records ?? null
})

/** Examines a spool, and repairs it when `yes` is set. */
export const repairSpool = Effect.fnUntraced(function* ({
  folder,
  json,
  yes
}: RepairInput): Effect.fn.Return<void, CommandFailed> {
  const path = Path.resolve(folder)
  const report = (object: object, lines: ReadonlyArray<string>) =>
    json ? printJson(JSON.stringify(object)) : print(lines.map(visible).join("\n"))
  const holder = yield* holderOf(folder)
  if (holder?.state === "alive") {
    return yield* failed(
      `The spool ${folder} is in use by process ${holder.pid} on ${holder.host}. Stop that ` +
        `process first.`
    )
  }
  const interrupted = yield* attempt(() => isRepairing(path))
  if (yes) {
    const { aside, found, setAside } = yield* attempt(() => repairFolder(path))
    const lines =
      aside === undefined
        ? [`Nothing is damaged in ${folder}.`]
        : [
            ...(found === undefined
              ? ["The repair that was interrupted is done."]
              : damageText(found)),
            `Set aside in ${aside}: ${setAside.join(", ")}. ` +
              "Delete them when you no longer need them."
          ]
    return yield* report(
      { repaired: aside !== undefined, aside: aside ?? null, setAside, ...damageJson(found) },
      lines
    )
  }
  const command = `zerobus spool repair ${folder} --yes`
  if (interrupted) {
    return yield* failed(
      `A repair of ${folder} was interrupted, and nothing is lost. End it with: ${command}`
    )
  }
  const found = yield* attempt(() => examineSpool(path))
  if (found.segments.length === 0) return yield* failed(`The folder ${folder} holds no spool.`)
  if (found.upTo < 0) {
    return yield* report({ repaired: false, ...damageJson(found) }, [
      `Nothing is damaged in ${folder}.`
    ])
  }
  yield* report({ repaired: false, ...damageJson(found) }, damageText(found))
  return yield* failed(
    `Nothing was changed. To keep what can be read, and to set ` +
      `${counted(found.upTo + 1, "file")} aside: ${command}`
  )
})
