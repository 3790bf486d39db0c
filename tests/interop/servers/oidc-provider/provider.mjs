// An authorization server (oidc-provider) on two TLS ports, one of which asks for a client
// certificate, and a protected API on a third.
//
//   node provider.mjs RUN_DIRECTORY
//
// Writes RUN_DIRECTORY/oidc.env when all of them listen.

import {
  createPrivateKey, generateKeyPairSync, randomBytes, X509Certificate,
} from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import { createServer } from 'node:https';

import Provider, { errors } from 'oidc-provider';

import { api } from './api.mjs';
import { clients } from './clients.mjs';
import { MapAdapter } from './store.mjs';

const run = process.argv[2];
const read = (name) => readFileSync(`${run}/${name}`, 'utf8');
const tls = { key: read('server.key'), cert: read('server.pem') };
// The certificate is optional for the connection. Each request is checked separately.
const askForCertificate = { requestCert: true, rejectUnauthorized: false, ca: read('ca.pem') };

// The private keys as JWKs too, because the client reads both forms.
for (const name of ['rsa', 'ec256', 'ec384', 'ed25519']) {
  const jwk = createPrivateKey(read(`${name}.pem`)).export({ format: 'jwk' });
  writeFileSync(`${run}/${name}.jwk.json`, JSON.stringify({ ...jwk, kid: name }), { mode: 0o600 });
}

const listen = (server) => new Promise((resolve, reject) => {
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => resolve(`https://localhost:${server.address().port}`));
});

// The ports come first, because the issuer contains one.
const plain = createSecureServer({ ...tls, allowHTTP1: true });
const mutual = createServer({ ...tls, ...askForCertificate });
const resource = createSecureServer({ ...tls, ...askForCertificate, allowHTTP1: true });
const [issuer, alias, apiOrigin] = await Promise.all([plain, mutual, resource].map(listen));

const resourceServers = {
  [`${apiOrigin}/`]: { scope: 'api:read api:write' },
  'urn:interop:jwt': { scope: 'api:read', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } },
};

const peer = (ctx) => {
  const { raw } = ctx.socket.getPeerCertificate?.() ?? {};
  return raw && new X509Certificate(raw);
};

const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'EdDSA'];

const provider = new Provider(issuer, {
  adapter: MapAdapter,
  clients: clients(read, algorithms),
  clientAuthMethods: [
    'client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt',
    'tls_client_auth', 'self_signed_tls_client_auth', 'none',
  ],
  // Refuses an assertion that is a minute too old, and an expired token, at once.
  clockTolerance: 2,
  discovery: {
    mtls_endpoint_aliases: {
      token_endpoint: `${alias}/token`,
      introspection_endpoint: `${alias}/token/introspection`,
      revocation_endpoint: `${alias}/token/revocation`,
    },
  },
  enabledJWA: {
    clientAuthSigningAlgValues: [...algorithms, 'HS256', 'HS384', 'HS512'],
    dPoPSigningAlgValues: ['ES256', 'EdDSA', 'PS256'],
  },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true },
    introspection: { enabled: true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      tlsClientAuth: true,
      getCertificate: peer,
      certificateAuthorized: (ctx) => ctx.socket.authorized,
      certificateSubjectMatches: (ctx, property, expected) => property === 'tls_client_auth_san_dns'
        && peer(ctx).subjectAltName === `DNS:${expected}`,
    },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(_ctx, indicator) {
        const server = Object.hasOwn(resourceServers, indicator) && resourceServers[indicator];
        if (!server) throw new errors.InvalidTarget();
        return { ...server, audience: indicator };
      },
    },
    revocation: { enabled: true },
  },
  jwks: { keys: [generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })] },
  scopes: ['api:read', 'api:write'],
  ttl: { ClientCredentials: (_ctx, _token, client) => (client.clientId === 'short' ? 4 : 600) },
});
provider.on('server_error', (_ctx, error) => console.error(error));

for (const server of [plain, mutual]) server.on('request', provider.callback());
resource.on('request', api(provider, apiOrigin));

// Written in one step, because the file tells that the servers are ready.
const names = { ISSUER: issuer, MTLS: alias, API: apiOrigin };
const lines = Object.entries(names).map(([name, url]) => `export INTEROP_OIDC_${name}=${url}\n`);
writeFileSync(`${run}/oidc.env.new`, lines.join(''));
renameSync(`${run}/oidc.env.new`, `${run}/oidc.env`);
