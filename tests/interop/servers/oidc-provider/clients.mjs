// One client for each way to authenticate, and for each way to bind a token.

import { createPublicKey, X509Certificate } from 'node:crypto';

const keyOf = {
  RS256: 'rsa', RS384: 'rsa', RS512: 'rsa', PS256: 'rsa', PS384: 'rsa', PS512: 'rsa',
  ES256: 'ec256', ES384: 'ec384', EdDSA: 'ed25519',
};

export function clients(read, algorithms) {
  const client = (client_id, token_endpoint_auth_method, more) => ({
    client_id,
    token_endpoint_auth_method,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    scope: 'api:read api:write',
    ...more,
  });
  const secret = (name) => ({ client_secret: read(`secret.${name}`) });
  const jwks = (name, more) => ({
    jwks: {
      keys: [{ ...createPublicKey(read(`${name}.pem`)).export({ format: 'jwk' }), kid: name, ...more }],
    },
  });
  const dpop = { dpop_bound_access_tokens: true };
  const bound = { tls_client_certificate_bound_access_tokens: true };
  const selfSigned = new X509Certificate(read('tls-self-signed.pem'));

  return [
    // The id contains characters that form-encoding changes.
    client('basic:client/1', 'client_secret_basic', secret('basic')),
    client('post', 'client_secret_post', secret('post')),
    client('narrow', 'client_secret_post', { ...secret('post'), scope: 'api:read' }),
    client('short', 'client_secret_post', secret('short')),
    client('introspector', 'client_secret_basic', secret('introspector')),
    client('public', 'none'),
    ...['HS256', 'HS384', 'HS512'].map((alg) => client(`secret-jwt-${alg}`, 'client_secret_jwt', {
      ...secret('jwt'), token_endpoint_auth_signing_alg: alg,
    })),
    ...algorithms.map((alg) => client(`key-jwt-${alg}`, 'private_key_jwt', {
      ...jwks(keyOf[alg]), token_endpoint_auth_signing_alg: alg,
    })),
    client('tls', 'tls_client_auth', { tls_client_auth_san_dns: 'tls-client.interop', ...bound }),
    client('tls-self-signed', 'self_signed_tls_client_auth', {
      ...jwks('tls-self-signed', { x5c: [selfSigned.raw.toString('base64')] }), ...bound,
    }),
    client('bound', 'client_secret_basic', { ...secret('bound'), ...bound }),
    client('dpop', 'client_secret_basic', { ...secret('dpop'), ...dpop }),
    client('dpop-key-jwt', 'private_key_jwt', {
      ...jwks('ec256'), token_endpoint_auth_signing_alg: 'ES256', ...dpop,
    }),
  ];
}
