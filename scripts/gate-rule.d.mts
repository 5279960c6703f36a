export type Verdict = 'not compared' | 'slower' | 'faster' | 'kept'
export type Ratios = Record<string, number>
export interface Gate {
  ratios?: Record<string, Ratios>
}

export const tolerance: number
export const committedFor: (gate: Gate, nodeVersion: string) => Ratios
export const judge: (ratio: number, committed: number | undefined) => Verdict
export const judgeAll: (ratios: readonly number[], committed: number | undefined) => Verdict
export const isSurprise: (verdict: Verdict) => boolean
export const verdictLine: (
  name: string,
  ratios: readonly number[],
  committed: number | undefined,
) => string
export const withRatios: (gate: Gate, nodeVersion: string, ratios: Ratios) => Gate
