/** `act`: who acts now, and who lent it to them. RFC 8693 §4.1. */
import { isCleanText } from './identifiers.js'
import { type Guard, isText, objectOf, optional } from './shape.js'

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

const isName = (value: unknown): value is string =>
  isText(value) && value !== '' && value.length <= 255 && isCleanText(value)

const depthOf = (value: unknown): number => {
  let depth = 0
  let link = value
  while (typeof link === 'object' && link !== null && depth <= maxActors) {
    depth += 1
    link = (link as { act?: unknown }).act
  }
  return depth
}

const isLink: Guard<Actor> = objectOf<Actor>({
  sub: isName,
  iss: optional(isName),
  client_id: optional(isName),
  sub_profile: optional(isName),
  act: optional((value): value is Actor => isLink(value)),
})

/** `act` of any depth up to {@link maxActors}. The depth is measured first, so a bomb stays cheap. */
export const isActor = (value: unknown): value is Actor =>
  depthOf(value) <= maxActors && isLink(value)

/** The chain as a list, the current actor first, the first delegate last. */
export const actorChain = (act: Actor | undefined): Actor[] => {
  const chain: Actor[] = []
  for (let actor = act; actor; actor = actor.act) chain.push(actor)
  return chain
}

/** A new outermost actor over the chain so far. Nothing of the chain is dropped, ever. */
export const extendActor = (actor: Actor, previous: Actor | undefined): Actor =>
  previous ? { ...actor, act: previous } : { ...actor }
