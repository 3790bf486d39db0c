// A protected API: Bearer (RFC 6750), certificate-bound (RFC 8705 §3) and DPoP (RFC 9449 §7)
// access tokens, with its own DPoP nonces.
//
//   GET /resource           any valid token
//   GET /scoped/SCOPE       one with that scope

import { hash, randomBytes } from 'node:crypto';

import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';

const ALGORITHMS = ['ES256', 'EdDSA', 'PS256'];
// A nonce is valid for this many answers. A client that ignores the nonces of successes is soon
// challenged again.
const NONCES = 8;

class Refusal extends Error {
  constructor(scheme, error, description, status = 401) {
    super(description);
    Object.assign(this, { scheme, error, status });
  }
}

export function api(provider, origin) {
  const nonces = [];
  const proofs = new Set();
  const newNonce = () => {
    nonces.unshift(randomBytes(24).toString('base64url'));
    nonces.length = Math.min(nonces.length, NONCES);
    return nonces[0];
  };

  async function checkProof(request, secret, jkt) {
    const refused = (text) => new Refusal('DPoP', 'invalid_dpop_proof', text);
    let proof;
    try {
      proof = await jwtVerify(request.headers.dpop ?? '', EmbeddedJWK, {
        algorithms: ALGORITHMS, typ: 'dpop+jwt', maxTokenAge: 60,
      });
    } catch (error) {
      throw refused(error.message);
    }
    const { payload, protectedHeader: { jwk } } = proof;
    if (payload.htm !== request.method) throw refused('htm differs');
    if (payload.htu !== new URL(request.url.split('?')[0], origin).href) throw refused('htu differs');
    if (payload.ath !== hash('sha256', secret, 'base64url')) throw refused('ath differs');
    if ('d' in jwk || 'p' in jwk) throw refused('a private key');
    if (await calculateJwkThumbprint(jwk) !== jkt) {
      throw new Refusal('DPoP', 'invalid_token', 'bound to another key');
    }
    if (!nonces.includes(payload.nonce)) throw new Refusal('DPoP', 'use_dpop_nonce', 'a nonce is required');
    if (proofs.has(payload.jti)) throw refused('replayed');
    proofs.add(payload.jti);
  }

  async function authorise(request) {
    const [scheme, secret] = (request.headers.authorization ?? '').split(' ');
    if (!secret || !/^(bearer|dpop)$/i.test(scheme)) throw new Refusal('Bearer');
    const token = await provider.ClientCredentials.find(secret);
    // The binding of a revoked token is unknown, so the scheme decides.
    const bound = token ? token.jkt : /^dpop$/i.test(scheme);
    const invalid = (text) => new Refusal(bound ? 'DPoP' : 'Bearer', 'invalid_token', text);
    if (!token?.isValid) throw invalid('unknown, revoked or expired');
    if (token['x5t#S256']) {
      const { raw } = request.socket.getPeerCertificate();
      if (!raw || hash('sha256', raw, 'base64url') !== token['x5t#S256']) {
        throw invalid('bound to another certificate');
      }
    }
    if (token.jkt) {
      if (!/^dpop$/i.test(scheme)) throw invalid('bound to a key');
      await checkProof(request, secret, token.jkt);
    } else if (!/^bearer$/i.test(scheme)) {
      throw invalid('bound to no key');
    }
    const scope = request.url.match(/^\/scoped\/([^?]+)/)?.[1];
    if (scope && !token.scope?.split(' ').includes(decodeURIComponent(scope))) {
      throw new Refusal(token.jkt ? 'DPoP' : 'Bearer', 'insufficient_scope', 'another scope is required', 403);
    }
    return token;
  }

  return async (request, response) => {
    const answer = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    try {
      const token = await authorise(request);
      if (token.jkt) response.setHeader('dpop-nonce', newNonce());
      answer(200, {
        client_id: token.clientId, scope: token.scope, aud: token.aud, http: request.httpVersion,
      });
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) {
        console.error(refusal);
        answer(500, {});
        return;
      }
      const { scheme, error, message, status } = refusal;
      if (error === 'use_dpop_nonce') response.setHeader('dpop-nonce', newNonce());
      const parameters = [
        'realm="interop"',
        scheme === 'DPoP' && `algs="${ALGORITHMS.join(' ')}"`,
        error && `error="${error}", error_description="${message.replaceAll(/["\\]/g, "'")}"`,
      ].filter(Boolean);
      response.setHeader('www-authenticate', `${scheme} ${parameters.join(', ')}`);
      answer(status, { error, error_description: message });
    }
  };
}
