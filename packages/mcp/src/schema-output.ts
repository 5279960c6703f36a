/** What a schema makes of its input, told by its type alone: no schema library is known here. */

/** @see https://standardschema.dev */
interface Standard {
  readonly '~standard': { readonly types?: { readonly output: unknown } | undefined }
}

type OutputOf<Schema extends Standard> =
  NonNullable<Schema['~standard']['types']> extends { readonly output: infer Output }
    ? Output
    : unknown

/** A record of schemas, as the first generation of the SDK has it, and the second still takes. */
export type RawShape = { readonly [name: string]: Standard }

/** What both generations take for arguments. `undefined` for those who take none. */
export type ArgsSchema = Standard | RawShape | undefined

/** The arguments that a handler gets. */
export type ArgsOf<Schema extends ArgsSchema> = Schema extends Standard
  ? OutputOf<Schema>
  : Schema extends RawShape
    ? { [Name in keyof Schema]: OutputOf<Schema[Name]> }
    : Record<string, never>
