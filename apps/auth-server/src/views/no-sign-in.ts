/** The page of the authorization endpoint until people can sign in. Static: it repeats nothing. */
export const noSignInPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>No sign-in here yet</title>
<style>
  :root { color-scheme: light dark; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center;
    font: 1.05rem/1.6 system-ui, sans-serif; background: Canvas; color: CanvasText; }
  main { max-width: 34rem; padding: 2rem; }
  h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 1rem; }
  code { font-size: .95em; }
</style>
</head>
<body>
<main>
<h1>People cannot sign in here yet</h1>
<p>This server gives tokens to agents and services: they authenticate with their own credentials
at the token endpoint (<code>client_credentials</code> and token exchange).</p>
<p>If an application sent you to this page, it is set up for a person&rsquo;s sign-in. Give it
client credentials instead, or ask whoever runs this server. You can close this window.</p>
</main>
</body>
</html>
`
