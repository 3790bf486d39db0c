//! DPoP proofs, verified by another library.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    DecodingKey, Validation,
    jwk::{Jwk, ThumbprintHash},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Checks signature and `ath`. Returns the key's thumbprint.
pub(crate) fn verified(proof: &str, access_token: Option<&str>) -> Option<String> {
    let header = jsonwebtoken::decode_header(proof).ok()?;
    let jwk: Jwk = header.jwk?;
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    let claims = jsonwebtoken::decode::<Value>(proof, &key, &validation).ok()?.claims;
    let ath = access_token.map(|token| URL_SAFE_NO_PAD.encode(Sha256::digest(token)));
    let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
    (claims["ath"].as_str() == ath.as_deref()).then_some(thumbprint)
}
