/** The one style sheet, sent inside each page. Pages load nothing from anywhere. */
import { createHash } from 'node:crypto'

/** What a Content-Security-Policy calls a text that it lets through. */
export const cspHash = (text: string): string =>
  `'sha256-${createHash('sha256').update(text).digest('base64')}'`

export const style = `
:root {
  color-scheme: light dark;
  --ground: #f5f5f2; --card: #ffffff; --text: #1c1d1f; --soft: #5a5d63; --line: #d3d4d0;
  --field: #ffffff; --edge: #80838a; --accent: #1f5f4b; --on-accent: #ffffff; --focus: #1d6fd6;
  --error: #a3201b; --error-ground: #fdecea; --info-ground: #e8f1ee; --warn: #7a4b00;
  --warn-ground: #fff4dd;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #131416; --card: #1c1e21; --text: #eceded; --soft: #a9adb4; --line: #383b40;
    --field: #131416; --edge: #80858d; --accent: #7fd1b5; --on-accent: #0c221a; --focus: #7db4ff;
    --error: #ffb0a9; --error-ground: #3a1b19; --info-ground: #17302a; --warn: #ffd08a;
    --warn-ground: #352a14;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; min-height: 100dvh; padding: 1rem; display: flex;
  flex-direction: column; align-items: center; justify-content: safe center;
  background: var(--ground); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; overflow-wrap: anywhere;
}
main {
  width: 100%; max-width: 26rem; padding: 1.75rem 1.5rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .9rem;
}
main.wide { max-width: 46rem; }
footer { padding: 1rem; color: var(--soft); font-size: .85rem; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 1rem; letter-spacing: -.01em; }
h2 { font-size: 1.1rem; line-height: 1.3; margin: 1.75rem 0 .5rem; }
h3 { font-size: 1rem; line-height: 1.4; margin: 1.25rem 0 .35rem; }
p { margin: 0 0 1rem; }
a { color: var(--accent); text-underline-offset: .15em; }
code { font-family: ui-monospace, monospace; font-size: .92em; }
form { margin: 0; }
form + form { margin-top: .75rem; }
label, legend { display: block; font-weight: 600; padding: 0; }
fieldset { border: 0; padding: 0; margin: 0 0 1rem; min-width: 0; }
.field { margin: 0 0 1rem; }
.hint { margin: .15rem 0 .3rem; color: var(--soft); font-size: .9rem; }
.fault { margin: .3rem 0 0; color: var(--error); font-size: .9rem; }
input:not([type=checkbox], [type=radio]), select {
  width: 100%; min-height: 2.75rem; padding: .5rem .75rem; margin-top: .3rem; font: inherit;
  color: inherit; background: var(--field); border: 1px solid var(--edge); border-radius: .5rem;
}
input[readonly] { background: transparent; border-style: dashed; color: var(--soft); }
input[aria-invalid=true] { border-color: var(--error); border-width: 2px; }
.choice {
  display: flex; gap: .75rem; align-items: flex-start; padding: .7rem .8rem; margin: .4rem 0 0;
  border: 1px solid var(--line); border-radius: .5rem; font-weight: 400; cursor: pointer;
}
.choice + button { margin-top: .75rem; }
.choice:has(:checked) { border-color: var(--accent); background: var(--info-ground); }
.choice input { width: 1.15rem; height: 1.15rem; margin: .2rem 0 0; flex: none;
  accent-color: var(--accent); }
.choice strong { display: block; }
.choice small { display: block; color: var(--soft); font-size: .9rem; }
button, a.button {
  display: block; width: 100%; text-align: center; text-decoration: none; min-height: 2.9rem; padding: .55rem 1rem; font: inherit; font-weight: 600;
  border-radius: .5rem; border: 1px solid var(--accent); background: var(--accent);
  color: var(--on-accent); cursor: pointer;
}
button.quiet, a.button { background: transparent; color: var(--text); border-color: var(--edge); }
button.danger { background: transparent; color: var(--error); border-color: var(--error); }
button:hover, a.button:hover { filter: brightness(1.08); }
a.button + a.button { margin-top: .75rem; }
.row { display: flex; flex-wrap: wrap; gap: .75rem; }
.row > * { flex: 1 1 9rem; margin: 0; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
.notice { margin: 0 0 1.25rem; padding: .75rem .9rem; border-radius: .5rem;
  border: 1px solid var(--line); background: var(--info-ground); }
.notice.error { background: var(--error-ground); color: var(--error); border-color: currentColor; }
.notice.warning { background: var(--warn-ground); color: var(--warn); border-color: currentColor; }
.notice p:last-child { margin: 0; }
.links { margin: 1.25rem 0 0; padding: 1rem 0 0; border-top: 1px solid var(--line);
  list-style: none; }
.links li { margin: .35rem 0; }
.card { padding: 1rem; margin: 0 0 1rem; border: 1px solid var(--line); border-radius: .7rem; }
.card > :first-child { margin-top: 0; }
.card > :last-child { margin-bottom: 0; }
.card ul { margin: 0; padding-left: 1.25rem; }
.card .links { margin: 1rem 0; padding: .75rem 0 0; }
.card li { margin: .35rem 0 .75rem; }
.card .links li { margin: .35rem 0; }
.hint + .row { margin-top: .75rem; }
.facts { margin: 0 0 1rem; }
.facts dt { color: var(--soft); font-size: .9rem; }
.facts dd { margin: 0 0 .6rem; }
.or { display: flex; align-items: center; gap: .75rem; margin: 1.25rem 0; color: var(--soft); }
.or::before, .or::after { content: ""; flex: 1; border-top: 1px solid var(--line); }
.codes { columns: 2; margin: 0 0 1rem; padding: 0; list-style: none; }
.logo { display: block; width: 3rem; height: 3rem; margin: 0 0 1rem; font-size: .7rem; overflow: hidden; border-radius: .6rem; object-fit: contain; }
[hidden] { display: none; }
@media (min-width: 30rem) { main { padding: 2.25rem 2.25rem; } }
@media (min-width: 40rem) {
  .wide .facts { display: grid; grid-template-columns: 11rem 1fr; gap: .35rem 1rem; }
  .wide .facts dt, .wide .facts dd { margin: 0; font-size: 1rem; }
  .wide .card button { width: auto; }
}
@media (prefers-contrast: more) { :root { --line: currentColor; --soft: var(--text); } }
@media (forced-colors: active) { button { border: 2px solid ButtonText; } }
`

export const styleHash = cspHash(style)
