// An OpenID provider (npm oidc-provider) with invented people, for the tests.
//
// Arrives: settings as JSON in the first argument: { issuer, below, keys, port, key, chain, root, clients, people }.
// Leaves: `ready` on standard output once it listens, and a line for each grant and each grant that it refuses. People sign in with the
// password that their entry names. Everything is below the path `below`. SIGUSR2 has it stop listening (`closed N`), and with the next one
// listen again (`open N`), as an instance that has all that the one before stored, and the keys that the file `keys` names then: it signs
// with the first of them.
import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import { Provider, interactionPolicy } from 'oidc-provider';

const settings = JSON.parse(process.argv[2]);
const people = new Map(settings.people.map((person) => [person.sub, person]));
const TWO_FACTORS = 'https://refeds.org/profile/mfa';
const ONE_FACTOR = 'https://refeds.org/profile/sfa';

// By their names in the file.
const made = new Map();

function signingKeys() {
  const names = fs.existsSync(settings.keys) ? JSON.parse(fs.readFileSync(settings.keys, 'utf8')) : ['first'];
  const missing = names.filter((name) => !made.has(name));
  for (const name of missing) {
    const { privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
    made.set(name, { ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: `${name}-${crypto.randomUUID()}` });
  }
  return { keys: names.map((name) => made.get(name)) };
}

// Clients are on this machine, under names that browsers know to be here and resolvers may not.
function toThisMachine(address, { method, headers, body }) {
  const url = new URL(address);
  const text = String(body);
  const ca = `-----BEGIN CERTIFICATE-----\n${settings.root.match(/.{1,64}/g).join('\n')}\n-----END CERTIFICATE-----\n`;
  const sent = { ...Object.fromEntries(headers), host: url.host, 'content-length': Buffer.byteLength(text) };
  const target = { host: '127.0.0.1', port: url.port, servername: url.hostname, path: url.pathname, method, headers: sent, ca };
  return new Promise((resolve, reject) => {
    const request = https.request(target, (response) => {
      response.resume();
      response.on('end', () => resolve({ status: response.statusCode }));
    });
    request.on('error', reject);
    request.end(text);
  });
}

// Nobody is asked for consent: the gate is the company's own.
const policy = interactionPolicy.base();
policy.remove('consent');

// What all instances store, as in a database that outlives them.
const stored = new Map();

class Stored {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model} ${id}`;
  }

  async upsert(id, payload) {
    stored.set(this.key(id), payload);
  }

  async find(id) {
    const payload = stored.get(this.key(id));
    return payload && payload.exp < Date.now() / 1000 ? undefined : payload;
  }

  async findWhere(name, value) {
    const own = [...stored].filter(([key]) => key.startsWith(`${this.model} `));
    return own.find(([, payload]) => payload[name] === value)?.[1];
  }

  findByUid(uid) {
    return this.findWhere('uid', uid);
  }

  findByUserCode(userCode) {
    return this.findWhere('userCode', userCode);
  }

  async consume(id) {
    stored.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    stored.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    // Asked of each kind of tokens by itself; an interaction has a grant, too, and goes on with another person's.
    for (const [key, payload] of stored) if (key.startsWith(`${this.model} `) && payload.grantId === grantId) stored.delete(key);
  }
}

const cookieKeys = [crypto.randomUUID()];
const below = settings.below ?? '';

// Programs at a terminal, which keep no secret: one whose tokens are bound to the certificate that it shows, one whose are not.
const terminal = (client_id, bound) => ({
  client_id,
  token_endpoint_auth_method: 'none',
  application_type: 'native',
  redirect_uris: ['http://127.0.0.1/callback'],
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  tls_client_certificate_bound_access_tokens: bound,
});

const configuration = () => ({
  clients: [...settings.clients, terminal('cli', true), terminal('loose-cli', false)].map((client) => ({
    response_types: ['code'],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    id_token_signed_response_alg: 'ES256',
    require_auth_time: true,
    ...client,
  })),
  adapter: Stored,
  jwks: signingKeys(),
  cookies: { keys: cookieKeys },
  acrValues: [ONE_FACTOR, TWO_FACTORS],
  scopes: ['openid', 'offline_access'],
  claims: {
    openid: ['sub', 'acr', 'amr', 'auth_time'],
    email: ['email', 'email_verified'],
    profile: ['name', 'preferred_username'],
    groups: ['groups'],
  },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  interactions: { policy, url: (_context, interaction) => `${below}/sign-in/${interaction.uid}` },
  // It would drop `offline_access`, since it asks nobody for consent. What it gives in its place ends with the person's sign-in here.
  issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  features: {
    claimsParameter: { enabled: true },
    devInteractions: { enabled: false },
    rpInitiatedLogout: { enabled: true },
    revocation: { enabled: true },
    backchannelLogout: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (context) => (context.oidc.params?.grant_type === 'client_credentials' ? 'urn:sekisho:api' : undefined),
      getResourceServerInfo: () => ({ scope: '', audience: 'sekisho', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
    },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      getCertificate: (context) => context.req.socket.getPeerX509Certificate?.(),
    },
  },
  fetch: toThisMachine,
  // Also of a program's own token, though a program is in no group.
  extraTokenClaims: (_context, token) => {
    const person = people.get(token.accountId);
    return person ? { groups: person.groups, email: person.email, email_verified: true, name: person.name } : { groups: ['machines'] };
  },
  ttl: { AccessToken: 600, ClientCredentials: 600, IdToken: 300, RefreshToken: 86400, Session: 86400, Grant: 86400, Interaction: 600 },
  findAccount: async (_context, sub) => {
    const person = people.get(sub);
    if (!person) return undefined;
    const { password, ...claims } = person;
    return { accountId: sub, claims: async () => ({ email_verified: true, preferred_username: sub, ...claims }) };
  },
  loadExistingGrant: async (context) => {
    const { client, session, provider } = context.oidc;
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid email profile groups offline_access');
    await grant.save();
    return grant;
  },
  renderError: async (context, out) => {
    context.type = 'text';
    context.body = JSON.stringify(out);
  },
});

async function form(request) {
  let text = '';
  for await (const part of request) text += part;
  return new URLSearchParams(text);
}

// For tests: claims of a person that are other ones from now on.
async function othersClaims(context, next) {
  if (context.path !== '/people' || context.method !== 'POST') return next();
  let text = '';
  for await (const part of context.req) text += part;
  const changed = JSON.parse(text);
  people.set(changed.sub, { ...people.get(changed.sub), ...changed });
  context.status = 204;
  return undefined;
}

// The sign-in page: one form with login, password and a second factor; and, for tests that cannot wait, how long ago it was.
async function signInPage(context, next) {
  if (!context.path.startsWith('/sign-in/')) return next();
  const { prompt } = await current.interactionDetails(context.req, context.res);
  if (context.method === 'GET') {
    context.type = 'html';
    context.body = `<!doctype html><title>Test provider: ${prompt.name}</title><form method="post" action="${below}${context.path}">
      <input name="login" aria-label="Name"><input name="password" type="password" aria-label="Password">
      <input name="second_factor" type="checkbox" value="yes" aria-label="Second factor">
      <input name="ago" aria-label="Signed in so many seconds ago"><button>Sign in</button></form>`;
    return undefined;
  }
  const fields = await form(context.req);
  const person = people.get(fields.get('login'));
  if (!person || person.password !== fields.get('password')) {
    context.status = 401;
    context.body = 'wrong name or password';
    return undefined;
  }
  const twice = fields.get('second_factor') === 'yes';
  const login = { accountId: person.sub, acr: twice ? TWO_FACTORS : ONE_FACTOR, amr: twice ? ['pwd', 'otp'] : ['pwd'], remember: true };
  const ago = Number(fields.get('ago') ?? 0);
  if (ago > 0) login.ts = Math.floor(Date.now() / 1000) - ago;
  return current.interactionFinished(context.req, context.res, { login }, { mergeWithLastSubmission: false });
}

function instance() {
  const provider = new Provider(settings.issuer, configuration());
  provider.on('grant.success', (context) => console.log(`granted ${context.oidc.params.grant_type}`));
  provider.on('grant.error', (context, error) => console.log(`refused ${context.oidc.params?.grant_type}: ${error.message} ${error.error_detail}`));
  provider.on('grant.revoked', () => console.log('revoked a grant'));
  provider.on('refresh_token.destroyed', () => console.log('forgot a refresh token'));
  provider.on('server_error', (_context, error) => console.error(error));
  provider.on('backchannel.error', (_context, error) => console.error(error));
  provider.use(othersClaims);
  provider.use(signInPage);
  return provider;
}

let current = instance();
let answer = current.callback();

const tls = {
  key: fs.readFileSync(settings.key),
  cert: fs.readFileSync(settings.chain),
  requestCert: true,
  rejectUnauthorized: false,
};
// The provider finds out where it is mounted by what is left of the address.
const server = https.createServer(tls, (request, response) => {
  request.originalUrl = request.url;
  request.url = request.url.startsWith(`${below}/`) ? request.url.slice(below.length) : request.url;
  return answer(request, response);
});
let toggled = 0;
// A program that listens nowhere would end.
setInterval(() => {}, 60_000);
process.on('SIGUSR2', () => {
  toggled += 1;
  const number = toggled;
  if (number % 2 === 1) {
    server.close(() => console.log(`closed ${number}`));
    server.closeAllConnections();
  } else {
    current = instance();
    answer = current.callback();
    server.listen(settings.port, '127.0.0.1', () => console.log(`open ${number}`));
  }
});
server.listen(settings.port, '127.0.0.1', () => console.log('ready'));
