/**
 * The only scripts of our pages: WebAuthn has no other way in. Without them the buttons stay hidden and
 * the password works. They are constant, so that their hashes can stand in the policy of the page; what
 * differs stands in `data-` attributes.
 */

const shared = `
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
const text = (buffer) => buffer && btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\\+/g, '-').replace(/\\//g, '_').replace(/=+$/, '');
const ids = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));
const get = async (path) => {
  const answer = await fetch(path, { credentials: 'same-origin' });
  if (!answer.ok) throw new Error('refused');
  return answer.json();
};
const post = async (path, body) => {
  const answer = await fetch(path, {
    method: 'POST', credentials: 'same-origin', redirect: 'error',
    headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error('refused');
};
const button = document.getElementById('passkey');
const fault = document.getElementById('passkey-fault');
if (button && window.PublicKeyCredential) {
  document.getElementById('passkey-box').hidden = false;
  const base = button.dataset.base + '/auth/passkey/';
  button.addEventListener('click', async () => {
    fault.hidden = true;
    try { await run(base); location.assign(button.dataset.next); } catch (error) { fault.hidden = false; }
  });
}
`

export const passkeySignInScript = `
const run = async (base) => {
  const options = await get(base + 'generate-authenticate-options');
  const found = await navigator.credentials.get({ publicKey: {
    ...options, challenge: bytes(options.challenge), allowCredentials: ids(options.allowCredentials),
  } });
  await post(base + 'verify-authentication', { response: {
    id: found.id, rawId: text(found.rawId), type: found.type,
    clientExtensionResults: found.getClientExtensionResults(),
    response: {
      clientDataJSON: text(found.response.clientDataJSON),
      authenticatorData: text(found.response.authenticatorData),
      signature: text(found.response.signature), userHandle: text(found.response.userHandle),
    },
  } });
};
${shared}`

export const passkeyAddScript = `
const run = async (base) => {
  const options = await get(base + 'generate-register-options');
  const made = await navigator.credentials.create({ publicKey: {
    ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: ids(options.excludeCredentials),
  } });
  await post(base + 'verify-registration', { response: {
    id: made.id, rawId: text(made.rawId), type: made.type,
    clientExtensionResults: made.getClientExtensionResults(),
    response: {
      clientDataJSON: text(made.response.clientDataJSON),
      attestationObject: text(made.response.attestationObject),
      transports: made.response.getTransports ? made.response.getTransports() : [],
    },
  } });
};
${shared}`
