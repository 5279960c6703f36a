/** `act`: who acts now, and who lent it to them. RFC 8693 §4.1. */
import { z } from 'zod'
import { cleanText } from './identifiers.js'

/** One link of the chain. Members beyond `sub` follow the OAuth Actor Profile draft. */
export interface Actor {
  sub: string
  iss?: string | undefined
  client_id?: string | undefined
  sub_profile?: string | undefined
  /** The actor before this one: information, never a reason to let someone in. */
  act?: Actor | undefined
}

/** More links than this are refused before they are read. */
export const maxActors = 16

const name = cleanText(255)

const depthOf = (value: unknown): number => {
  let depth = 0
  let link = value
  while (typeof link === 'object' && link !== null && depth <= maxActors) {
    depth += 1
    link = (link as { act?: unknown }).act
  }
  return depth
}

const link: z.ZodType<Actor> = z.lazy(() =>
  z.looseObject({
    sub: name,
    iss: name.optional(),
    client_id: name.optional(),
    sub_profile: name.optional(),
    act: link.optional(),
  }),
)

/** `act` of any depth up to {@link maxActors}. The depth is measured first, so a bomb stays cheap. */
export const actorSchema = z
  .unknown()
  .refine((value) => depthOf(value) <= maxActors, 'is nested too deep')
  .pipe(link)

/** The chain as a list, the current actor first, the first delegate last. */
export const actorChain = (act: Actor | undefined): Actor[] => {
  const chain: Actor[] = []
  for (let actor = act; actor; actor = actor.act) chain.push(actor)
  return chain
}

/** A new outermost actor over the chain so far. Nothing of the chain is dropped, ever. */
export const extendActor = (actor: Actor, previous: Actor | undefined): Actor =>
  previous ? { ...actor, act: previous } : { ...actor }
