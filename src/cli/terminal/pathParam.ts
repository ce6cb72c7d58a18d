/**
 * Flags and arguments that name a file or folder. Shells complete them, and the text stays as
 * typed. Effect's own path parameters become absolute paths, which suit neither messages nor `-`
 * for standard input.
 */
import type * as Argument from "effect/cli/Argument"
import type * as Flag from "effect/cli/Flag"
import * as Param from "effect/cli/Param"
import * as Primitive from "effect/cli/Primitive"
import * as Effect from "effect/Effect"

const asTyped = (pathType: Primitive.PathType): Primitive.Primitive<string> => ({
  ...Primitive.Path(pathType),
  parse: Effect.succeed
})

/** A flag whose value names a file or a folder. */
export const pathFlag = (name: string, pathType: Primitive.PathType = "file"): Flag.Flag<string> =>
  Param.makeSingle({
    kind: Param.flagKind,
    name,
    primitiveType: asTyped(pathType),
    typeName: pathType === "directory" ? "folder" : "file"
  })

/** An argument that names a file or a folder. */
export const pathArgument = (
  name: string,
  pathType: Primitive.PathType = "file"
): Argument.Argument<string> =>
  Param.makeSingle({
    kind: Param.argumentKind,
    name,
    primitiveType: asTyped(pathType),
    typeName: pathType === "directory" ? "folder" : "file"
  })
