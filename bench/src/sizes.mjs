/** What a package weighs: installed, with all that it depends on, and bundled for a browser or an edge. */
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const here = fileURLToPath(new URL('..', import.meta.url))
const goal = { minified: 60_000, gzip: 20_000 }

const subjects = [
  ['@behalf/verifier', 'export { createVerifier } from "@behalf/verifier"', goal],
  ['@behalf/client', 'export { createAgent } from "@behalf/client"'],
  ['jose', 'export { jwtVerify, createRemoteJWKSet } from "jose"'],
  ['fast-jwt', 'export { createVerifier } from "fast-jwt"'],
  ['aws-jwt-verify', 'export { JwtVerifier } from "aws-jwt-verify"'],
  ['jsonwebtoken', 'import { verify } from "jsonwebtoken"; export { verify }'],
]

const sizeOf = (path) => {
  const entry = statSync(path)
  if (!entry.isDirectory()) return entry.size
  return readdirSync(path)
    .filter((name) => name !== 'node_modules')
    .reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
}

/** Of a workspace only what is published. */
const publishedSize = (folder, { files = [] }) => {
  if (folder.includes('node_modules')) return sizeOf(folder)
  const paths = [...files, 'package.json', 'README.md', 'LICENSE'].map((name) => join(folder, name))
  return paths.filter(existsSync).reduce((sum, path) => sum + sizeOf(path), 0)
}

/** As Node looks for it: in the folder of the package itself, then in each one above. */
const findPackage = (name, from) => {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', name)
    if (existsSync(path)) return realpathSync(path)
    if (folder === dirname(folder)) throw new Error(`${name} is not installed`)
  }
}

/** The folders of a package and of all that it depends on, each once. */
const closure = (name, from, found = new Map()) => {
  const folder = findPackage(name, from)
  if (found.has(folder)) return found
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  found.set(folder, publishedSize(folder, manifest))
  for (const dependency of Object.keys(manifest.dependencies ?? {})) {
    closure(dependency, folder, found)
  }
  return found
}

const bundle = async (contents) => {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: here },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    // What needs Node is measured without what Node brings.
    external: ['node:*', ...builtinModules],
    write: false,
    logLevel: 'silent',
  })
  return outputFiles[0].contents
}

const kilobytes = (bytes) => (bytes / 1000).toFixed(1)

const toRow = async ([name, code, most]) => {
  const sizes = [...closure(name, here).values()]
  const bytes = await bundle(code)
  const zipped = gzipSync(bytes, { level: 9 })
  return [
    name,
    sizes.length,
    kilobytes(sizes.reduce((sum, size) => sum + size, 0)),
    kilobytes(bytes.length),
    kilobytes(zipped.length),
    most ? `< ${kilobytes(most.minified)} / < ${kilobytes(most.gzip)}` : '',
  ]
}

/** @param {(line: string) => void} say shows progress */
export const measureSizes = async (say) => {
  say('Bundling the verifiers')
  const rows = []
  for (const subject of subjects) rows.push(await toRow(subject))
  return {
    title: 'Sizes in kB, with all dependencies',
    columns: ['package', 'packages', 'installed', 'minified', 'gzip', 'goal'],
    rows,
    notes: [
      'Installed: every file of the package and of those it depends on, source maps included. Bundled by esbuild for browsers and edges, with what verifying takes and nothing else; fast-jwt and jsonwebtoken need Node besides.',
    ],
  }
}
