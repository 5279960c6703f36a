/** The answer to a name that does not exist, for one that shall seem so. */
import type { ToolContext } from './auth-info.js'
import { canonicalUri } from './registry.js'
import type { MethodRequest, RequestHandler } from './request-handlers.js'

/**
 * A tool, a prompt and a URI that nobody has: nothing can be registered by this name. Its second
 * writing is what a URL parser makes of it, so that the answer shows which of the two the server says.
 */
const nobody = { asked: 'DEV.BEHALF:nobody', parsed: 'dev.behalf:nobody' } as const

export const isNobody = (name: string): boolean => Object.values<string>(nobody).includes(name)

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/** Wherever the server says the one name, say the other, in the same writing. */
const rename = (value: unknown, name: string): unknown => {
  if (typeof value === 'string') {
    return value
      .split(nobody.asked)
      .map((part) => part.replaceAll(nobody.parsed, () => canonicalUri(name)))
      .join(name)
  }
  if (Array.isArray(value)) return value.map((one) => rename(one, name))
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, rename(one, name)]))
}

/** What goes over the wire of an error: its code, its message, its data. */
const renameError = (error: unknown, name: string): unknown => {
  if (!(error instanceof Error)) return error
  const { code, data } = error as Error & { code?: unknown; data?: unknown }
  const details = { ...(code !== undefined && { code }), ...(data !== undefined && { data }) }
  return Object.assign(new Error(String(rename(error.message, name))), rename(details, name))
}

/** Where a request names what it asks for. */
export interface Named {
  /** As the server would say it of a name that it does not know. */
  name: string
  /** The parameters with another name in its place. */
  as: (name: string) => MethodRequest['params']
}

/**
 * Asks the server itself about a name that it does not have, so that the answer is the server's own,
 * whichever SDK and version it is made with.
 */
export const answerUnknown = async (
  handler: RequestHandler,
  { request, context, named }: { request: MethodRequest; context: ToolContext; named: Named },
): Promise<unknown> => {
  try {
    const params = named.as(nobody.asked)
    return rename(await handler({ ...request, params }, context), named.name)
  } catch (error) {
    throw renameError(error, named.name)
  }
}
