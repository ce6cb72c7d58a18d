// What the reference shows otherwise than typedoc would.
import { Comment, ReflectionKind } from "typedoc"

/** The categories of a module, those that a program needs first before the others. */
export const categoryOrder = [
  "modules",
  "services",
  "layers",
  "configuration",
  "constructors",
  "schemas",
  "combinators",
  "accessors",
  "*",
  "models",
  "errors"
]

const isService = (reflection) =>
  reflection.comment?.getTag("@category")?.content.some(({ text }) => text.trim() === "services")

/** Removes the constructors of services, which no program calls, before pages list them. */
export const withoutServiceConstructors = ({ project }) => {
  for (const reflection of project.getReflectionsByKind(ReflectionKind.Class)) {
    for (const child of isService(reflection) ? [...(reflection.children ?? [])] : []) {
      if (child.kindOf(ReflectionKind.Constructor)) project.removeReflection(child)
    }
  }
}

/**
 * Gives each `_tag` the text that fits all of them, and leaves out superclasses, which are those of
 * Effect.
 */
export const tidyReference = (project) => {
  for (const reflection of project.getReflectionsByKind(ReflectionKind.All)) {
    delete reflection.typeHierarchy
    if (reflection.name === "_tag" && !reflection.hasComment()) {
      reflection.comment = new Comment([
        { kind: "text", text: "Tells the members of the union apart." }
      ])
    }
    for (const category of reflection.categories ?? []) {
      if (category.title === "Reference" && !reflection.isProject()) category.title = "modules"
    }
  }
}
