/** Gives the conformance tool, and nobody else, a `fs` that has everything it imports. */
const standIn = new URL('./fs.mjs', import.meta.url).href

const isFromTool = (url) => url?.includes('/@modelcontextprotocol/conformance/') ?? false

export const resolve = (specifier, context, next) =>
  specifier === 'fs' && isFromTool(context.parentURL)
    ? { url: standIn, shortCircuit: true }
    : next(specifier, context)
