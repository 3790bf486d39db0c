"""An authorization server (Authlib on Flask) with a protected API, plain HTTP on loopback.

    python app.py RUN_DIRECTORY

Writes RUN_DIRECTORY/authlib.env when it listens.
"""

import os
import sys
import time

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.integrations.flask_oauth2 import (
    AuthorizationServer,
    ResourceProtector,
    current_token,
)
from authlib.oauth2.rfc6749 import ClientMixin, InvalidClientError, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Flask, jsonify
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, import_key
from werkzeug.serving import make_server

RUN = sys.argv[1]


def read(name):
    with open(os.path.join(RUN, name)) as file:
        return file.read()


def public(name, kind):
    return import_key(read(f"{name}.pem"), kind)


class Client(ClientMixin):
    def __init__(self, client_id, method, secret=None, key=None, algorithm=None):
        self.client_id, self.method, self.secret = client_id, method, secret
        self.key, self.algorithm = key, algorithm

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return " ".join(part for part in (scope or "").split() if part in ("api:read", "api:write"))

    def check_redirect_uri(self, redirect_uri):
        return False

    def check_client_secret(self, client_secret):
        return self.secret is not None and client_secret == self.secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method == self.method

    def check_response_type(self, response_type):
        return False

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"


ASSERTION = JWTBearerClientAssertion.CLIENT_AUTH_METHOD
CLIENTS = {
    client.client_id: client
    for client in [
        Client("basic:client/1", "client_secret_basic", read("secret.basic")),
        Client("post", "client_secret_post", read("secret.post")),
        Client("secret-jwt-HS256", ASSERTION, key=OctKey.import_key(read("secret.jwt")), algorithm="HS256"),
        Client("key-jwt-RS256", ASSERTION, key=public("rsa", "RSA"), algorithm="RS256"),
        Client("key-jwt-ES256", ASSERTION, key=public("ec256", "EC"), algorithm="ES256"),
        Client("key-jwt-EdDSA", ASSERTION, key=public("ed25519", "OKP"), algorithm="EdDSA"),
    ]
}


class Token(TokenMixin):
    def __init__(self, client, values):
        self.client_id, self.values = client.client_id, values
        self.issued_at, self.revoked = int(time.time()), False

    def check_client(self, client):
        return self.client_id == client.client_id

    def get_scope(self):
        return self.values.get("scope", "")

    def get_expires_in(self):
        return self.values["expires_in"]

    def is_expired(self):
        return time.time() > self.issued_at + self.get_expires_in()

    def is_revoked(self):
        return self.revoked


TOKENS = {}


def save_token(token, request):
    TOKENS[token["access_token"]] = Token(request.client, token)


class Grant(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", ASSERTION]


class Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def check_permission(self, token, client, request):
        return True

    def query_token(self, token_string, token_type_hint):
        return TOKENS.get(token_string)

    def introspect_token(self, token):
        return {
            "client_id": token.client_id,
            "scope": token.get_scope(),
            "exp": token.issued_at + token.get_expires_in(),
            "token_type": "Bearer",
        }


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def query_token(self, token_string, token_type_hint):
        return TOKENS.get(token_string)

    def revoke_token(self, token, request):
        token.revoked = True


class Assertion(JWTBearerClientAssertion):
    """Of the issuer alone, each once, and signed as the client is registered.

    Authlib's own decoding takes whatever algorithm fits the key, and among them no EdDSA.
    """

    used = set()

    def get_audiences(self):
        return [ISSUER]

    def validate_jti(self, claims, jti):
        fresh = (claims["sub"], jti) not in self.used
        self.used.add((claims["sub"], jti))
        return fresh

    def resolve_client_public_key(self, client):
        return client.key

    def process_assertion_claims(self, assertion, key):
        algorithm = next(client.algorithm for client in CLIENTS.values() if client.key is key)
        try:
            token = jwt.decode(assertion, key, algorithms=[algorithm])
        except (JoseError, ValueError) as error:
            raise InvalidClientError(description=str(error)) from error
        self.verify_claims(token.claims)
        return token.claims


class Validator(BearerTokenValidator):
    def authenticate_token(self, token_string):
        return TOKENS.get(token_string)


app = Flask(__name__)
server = AuthorizationServer(app, query_client=CLIENTS.get, save_token=save_token)
server.register_grant(Grant)
server.register_client_auth_method(ASSERTION, Assertion(leeway=2))
server.register_endpoint(Introspection)
server.register_endpoint(Revocation)
require = ResourceProtector()
require.register_token_validator(Validator())


@app.post("/oauth/token")
def token():
    return server.create_token_response()


@app.post("/oauth/introspect")
def introspect():
    return server.create_endpoint_response(Introspection.ENDPOINT_NAME)


@app.post("/oauth/revoke")
def revoke():
    return server.create_endpoint_response(Revocation.ENDPOINT_NAME)


@app.get("/resource")
@require()
def resource():
    return jsonify(client_id=current_token.client_id, scope=current_token.get_scope())


@app.get("/scoped")
@require(["api:write"])
def scoped():
    return jsonify(client_id=current_token.client_id)


http = make_server("127.0.0.1", 0, app, threaded=True)
ISSUER = f"http://127.0.0.1:{http.server_port}"
# Written in one step, because the file tells that the server is ready.
with open(os.path.join(RUN, "authlib.env.new"), "w") as file:
    file.write(f"export INTEROP_AUTHLIB={ISSUER}\n")
os.rename(os.path.join(RUN, "authlib.env.new"), os.path.join(RUN, "authlib.env"))
http.serve_forever()
