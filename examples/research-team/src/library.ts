/** The documents that the docs server offers: the Markdown of this repository. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Passage {
  document: string
  heading: string
  text: string
}

export interface Library {
  readonly documents: readonly string[]
  search(query: string): Passage[]
  /** Each heading with the first sentence below it; `undefined` for a document that is not here. */
  summarize(document: string): Passage[] | undefined
}

const markdownIn = (root: string, folder: string): string[] => {
  try {
    return readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => (folder === '.' ? name : `${folder}/${name}`))
      .sort()
  } catch {
    return []
  }
}

const packagesIn = (root: string): string[] =>
  readdirSync(join(root, 'packages')).map((name) => `packages/${name}`)

const withoutCode = (markdown: string): string => markdown.replace(/^```.*?^```/gms, '')

const isProse = (paragraph: string): boolean => /^[A-Za-z*`[]/.test(paragraph)

/** The paragraphs of a document, each under the heading where it stands. */
const passagesOf = (document: string, markdown: string): Passage[] => {
  let heading = document
  const passages: Passage[] = []
  for (const block of withoutCode(markdown).split(/\n\s*\n/)) {
    const [, title, rest = ''] = /^#+ +([^\n]+)\n?(.*)$/s.exec(block.trim()) ?? []
    heading = title ?? heading
    const text = (title === undefined ? block : rest).replace(/\s+/g, ' ').trim()
    if (isProse(text)) passages.push({ document, heading, text })
  }
  return passages
}

const firstSentence = (text: string): string => /^.*?[.:!?](?=\s|$)/.exec(text)?.[0] ?? text

const firstUnderEachHeading = (passages: readonly Passage[]): Passage[] =>
  passages.filter(({ heading }, index) => passages[index - 1]?.heading !== heading)

const maxPassages = 5

export const openLibrary = (root: string): Library => {
  const folders = ['.', 'docs', ...packagesIn(root)]
  const documents = folders.flatMap((folder) => markdownIn(root, folder))
  const passages = new Map(
    documents.map((name) => [name, passagesOf(name, readFileSync(join(root, name), 'utf8'))]),
  )
  return {
    documents,
    search: (query) => {
      const wanted = query.toLowerCase()
      const matches = ({ text }: Passage): boolean => text.toLowerCase().includes(wanted)
      return [...passages.values()].flat().filter(matches).slice(0, maxPassages)
    },
    summarize: (document) =>
      passages.get(document) &&
      firstUnderEachHeading(passages.get(document) ?? []).map((passage) => ({
        ...passage,
        text: firstSentence(passage.text),
      })),
  }
}
