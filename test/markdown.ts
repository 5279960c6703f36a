/** Headings and links of a Markdown file, as GitHub reads them. */

const withoutCode = (text: string): string => text.replace(/^ *```[\s\S]*?^ *```$/gm, '')

const slugOf = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-')

export const listHeadings = (text: string): string[] =>
  [...withoutCode(text).matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = '']) => heading.trim())

/** The anchors of a page. The second heading of the same words is called `words-1`, and so on. */
export const listAnchors = (text: string): Set<string> => {
  const counts = new Map<string, number>()
  return new Set(
    listHeadings(text).map((heading) => {
      const slug = slugOf(heading)
      const earlier = counts.get(slug) ?? 0
      counts.set(slug, earlier + 1)
      return earlier === 0 ? slug : `${slug}-${earlier}`
    }),
  )
}

/** The targets of all links that stay in this repository. */
export const listRelativeLinks = (text: string): string[] =>
  [
    ...withoutCode(text)
      .replace(/`[^`]*`/g, '')
      .matchAll(/\]\(([^)\s]+)[^)]*\)/g),
  ]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z][a-z0-9+.-]*:/i.test(target))
