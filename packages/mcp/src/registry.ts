/** What stands on one server object, and by which rule. It is of the server: no caller is in here. */
import type { AccessRule } from './tool-rule.js'

/** As far as it is used here, the `ResourceTemplate` of both generations. */
export interface UriTemplateLike {
  uriTemplate: { match(uri: string): unknown; toString(): string }
}

export const isTemplate = (value: unknown): value is UriTemplateLike =>
  typeof value === 'object' && value !== null && 'uriTemplate' in value

export interface TemplateEntry {
  rule: AccessRule
  /** Changes when the SDK gives it another. */
  template: UriTemplateLike
}

export interface Registry {
  tools: Map<string, AccessRule>
  prompts: Map<string, AccessRule>
  /** By URI. */
  resources: Map<string, AccessRule>
  /** By name, in their order. */
  templates: Map<string, TemplateEntry>
}

export const createRegistry = (): Registry => ({
  tools: new Map(),
  prompts: new Map(),
  resources: new Map(),
  templates: new Map(),
})

/** As the SDKs write a URI before they look it up. */
export const canonicalUri = (uri: string): string => (URL.canParse(uri) ? new URL(uri).href : uri)

/** The SDKs throw for a URI that is too long to look at. They will for this one, when it is read. */
const fits = ({ uriTemplate }: UriTemplateLike, uri: string): boolean => {
  try {
    return Boolean(uriTemplate.match(uri))
  } catch {
    return false
  }
}

/** A URI of its own comes first, then the first template that it fits: the order of the SDKs. */
export const ruleForUri = (registry: Registry, uri: string): AccessRule | undefined => {
  const canonical = canonicalUri(uri)
  const own = registry.resources.get(canonical) ?? registry.resources.get(uri)
  if (own) return own
  for (const { rule, template } of registry.templates.values()) {
    if (fits(template, canonical)) return rule
  }
  return undefined
}

export const ruleForTemplate = (registry: Registry, written: string): AccessRule | undefined => {
  for (const { rule, template } of registry.templates.values()) {
    if (template.uriTemplate.toString() === written) return rule
  }
  return undefined
}
