/** Names of parties and things, as they may come from outside. */
import * as z from 'zod'
import { isCleanText, isPersonId, isResourceUri, personPrefix } from './identifiers.js'

/** Text from outside, clean and bounded. */
export const cleanText = (maxLength: number) =>
  z
    .string()
    .min(1)
    .max(maxLength)
    .refine(isCleanText, 'contains a control character or half a character')

/** RFC 6749 Appendix A.1 allows any VSCHAR; a person's prefix is taken. */
export const clientId = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[\x21-\x7e]+$/, 'may hold visible ASCII only, no spaces')
  .refine((id) => !isPersonId(id), `must not begin with "${personPrefix}": that is a person`)

export const tenantId = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/, 'is lower case letters, digits, "-" and "_"')

export const delegationId = z.string().regex(/^dlg_[A-Za-z0-9_-]{1,64}$/)

export const resourceUri = z
  .string()
  .refine(isResourceUri, 'must be an absolute URI without a fragment (RFC 8707)')
