//! A private key as a JWK (RFC 7517, RFC 7518 §6, RFC 8037 §2), read without leaving copies of
//! its secret parts.

use std::collections::BTreeMap;

use aws_lc_rs::{
    rsa::{KeyPairComponents, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{
    algorithm::SigningAlgorithm as Algorithm,
    error::config_error,
    key_pair::{KeyPair, Rejected},
};
use crate::error::{Error, sanitise};

pub(super) struct Jwk {
    pub(super) pair: KeyPair,
    /// `None` if the JWK has no `alg`.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) key_id: Option<String>,
}

/// The members, as raw text.
struct Members<'a>(BTreeMap<String, &'a RawValue>);

/// # Errors
///
/// Errors never show the content.
pub(super) fn parse(text: &str) -> Result<Jwk, Error> {
    let members = serde_json::from_str(text).map(Members).map_err(|error| {
        // Only the position: serde's own text may quote the value.
        let (line, column) = (error.line(), error.column());
        config_error(format!(
            "JWK: it is not a JSON object at line {line}, column {column}; pass one private key \
             as in {{\"kty\":\"EC\",…}}"
        ))
    })?;
    let algorithm = members.text("alg")?.map(|name| name.parse()).transpose()?;
    members.check_use()?;
    let pair = members.pair()?;
    Ok(Jwk { pair, algorithm, key_id: members.text("kid")? })
}

impl Members<'_> {
    fn pair(&self) -> Result<KeyPair, Error> {
        let kty = self.text("kty")?;
        let pair = match kty.as_deref() {
            Some("RSA") => self.rsa()?,
            Some("EC") => self.ec()?,
            Some("OKP") => self.okp()?,
            Some("oct") => {
                return Err(config_error(
                    "JWK: it is a shared secret (kty oct); use client_secret_jwt for that",
                ));
            }
            None if self.0.contains_key("keys") => {
                return Err(config_error("JWK: it is a set of keys; pass the one to sign with"));
            }
            _ => {
                return Err(config_error(
                    "JWK: its kty is not RSA, EC or OKP; pass a key of one of these kinds",
                ));
            }
        };
        pair.map_err(Rejected::into_error)
    }

    fn rsa(&self) -> Result<Result<KeyPair, Rejected>, Error> {
        let d = self.secret("d")?;
        if self.0.contains_key("oth") {
            return Err(config_error(
                "JWK: RSA keys of more than two primes are not supported; pass another key",
            ));
        }
        let (n, e) = (self.bytes("n")?, self.bytes("e")?);
        // The factors are optional in RFC 7518 §6.3.2, and written by every tool.
        let components = KeyPairComponents {
            public_key: PublicKeyComponents { n: unpadded(&n), e: unpadded(&e) },
            d: d.as_slice(),
            p: &self.bytes("p")?,
            q: &self.bytes("q")?,
            dP: &self.bytes("dp")?,
            dQ: &self.bytes("dq")?,
            qInv: &self.bytes("qi")?,
        };
        Ok(RsaKeyPair::from_components(&components).map(KeyPair::Rsa).map_err(Rejected::from))
    }

    fn ec(&self) -> Result<Result<KeyPair, Rejected>, Error> {
        let d = self.secret("d")?;
        let (x, y) = (self.bytes("x")?, self.bytes("y")?);
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        let curve = self.text("crv")?;
        let pair = match curve.as_deref() {
            Some("P-256") => EcdsaKeyPair::from_private_key_and_public_key(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                &d,
                &point,
            )
            .map(KeyPair::P256),
            Some("P-384") => EcdsaKeyPair::from_private_key_and_public_key(
                &ECDSA_P384_SHA384_FIXED_SIGNING,
                &d,
                &point,
            )
            .map(KeyPair::P384),
            _ => return Err(curve_error("EC", curve, "P-256 or P-384")),
        };
        Ok(pair.map_err(Rejected::from))
    }

    fn okp(&self) -> Result<Result<KeyPair, Rejected>, Error> {
        let (d, x) = (self.secret("d")?, self.bytes("x")?);
        let curve = self.text("crv")?;
        if curve.as_deref() != Some("Ed25519") {
            return Err(curve_error("OKP", curve, "Ed25519"));
        }
        Ok(Ed25519KeyPair::from_seed_and_public_key(&d, &x)
            .map(KeyPair::Ed25519)
            .map_err(Rejected::from))
    }

    /// Refuses a key for another purpose (RFC 7517 §4.2, §4.3).
    fn check_use(&self) -> Result<(), Error> {
        let operations = self.0.get("key_ops").map(|raw| {
            let operations: Result<Vec<String>, _> = serde_json::from_str(raw.get());
            operations.is_ok_and(|operations| operations.iter().any(|one| one == "sign"))
        });
        if self.text("use")?.is_some_and(|purpose| purpose != "sig") || operations == Some(false) {
            return Err(config_error("JWK: its use or key_ops say that it is not for signing"));
        }
        Ok(())
    }

    /// A member that is not secret.
    fn text(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(raw) = self.0.get(name) else { return Ok(None) };
        serde_json::from_str(raw.get())
            .map_err(|_| config_error(format!("JWK: its {name} is not a string; correct it")))
    }

    fn secret(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        if !self.0.contains_key(name) {
            return Err(config_error(format!(
                "JWK: it is a public key (it has no {name}); pass the private key"
            )));
        }
        self.bytes(name)
    }

    fn bytes(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        let bytes = self.0.get(name).and_then(|raw| {
            let base64 = raw.get().strip_prefix('"')?.strip_suffix('"')?;
            let mut bytes = Zeroizing::new(vec![0; base64.len().div_ceil(4) * 3]);
            let length = URL_SAFE_NO_PAD.decode_slice(base64, &mut bytes).ok()?;
            bytes.truncate(length);
            Some(bytes)
        });
        bytes.ok_or_else(|| {
            config_error(format!(
                "JWK: its {name} is missing or not base64url; pass an undamaged JWK"
            ))
        })
    }
}

/// Without leading zeros, which some tools write.
fn unpadded(integer: &[u8]) -> &[u8] {
    let zeros = integer.iter().take_while(|&&byte| byte == 0).count();
    &integer[zeros..]
}

fn curve_error(kty: &str, curve: Option<String>, known: &str) -> Error {
    let curve = sanitise(curve.as_deref().unwrap_or_default());
    config_error(format!("JWK: the curve \"{curve}\" is not supported; with kty {kty} use {known}"))
}
