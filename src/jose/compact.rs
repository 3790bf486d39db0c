//! The compact serialisation (RFC 7515 §3.1), with a private key or the client secret.

#[cfg(feature = "dpop")]
use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(feature = "dpop")]
use aws_lc_rs::digest;
#[cfg(feature = "jwt")]
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
#[cfg(feature = "jwt")]
use zeroize::Zeroizing;

#[cfg(feature = "jwt")]
use super::hmac::HmacAlgorithm;
use super::key::SigningKey;
use crate::error::{Error, Problem};

/// The signer of a JWT.
pub(crate) enum Signer<'a> {
    Key(&'a SigningKey),
    #[cfg(feature = "jwt")]
    Secret(HmacAlgorithm, &'a [u8]),
}

impl Signer<'_> {
    #[cfg(feature = "jwt")]
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Key(key) => key.algorithm().as_str(),
            Self::Secret(algorithm, _) => algorithm.as_str(),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            Self::Key(key) => key.sign(message),
            #[cfg(feature = "jwt")]
            Self::Secret(algorithm, secret) => {
                let algorithm = match algorithm {
                    HmacAlgorithm::Hs256 => hmac::HMAC_SHA256,
                    HmacAlgorithm::Hs384 => hmac::HMAC_SHA384,
                    HmacAlgorithm::Hs512 => hmac::HMAC_SHA512,
                };
                Ok(hmac::sign(&hmac::Key::new(algorithm, secret), message).as_ref().to_vec())
            }
        }
    }
}

/// Signs a header and a payload, and returns `header.payload.signature`.
///
/// # Errors
///
/// Kind `Credentials` when the signature fails.
#[cfg(feature = "jwt")]
pub(crate) fn compact(
    header: &[u8],
    payload: &[u8],
    signer: &Signer<'_>,
) -> Result<Zeroizing<String>, Error> {
    /// Bytes for the signature of an RSA key of 8192 bits. A string that grows leaves copies behind.
    const SIGNATURE: usize = 1 + 1366;
    let room = (header.len() + payload.len()).div_ceil(3) * 4 + 8 + SIGNATURE;
    let mut jws = Zeroizing::new(Vec::with_capacity(room));
    encode(&mut jws, header);
    append(&mut jws, payload, signer)?;
    let jws = String::from_utf8(std::mem::take(&mut *jws));
    Ok(Zeroizing::new(jws.expect("base64url and dots")))
}

/// Appends `.payload.signature` to an encoded header.
///
/// # Errors
///
/// Kind `Credentials` when the signature fails.
pub(crate) fn append(jws: &mut Vec<u8>, payload: &[u8], signer: &Signer<'_>) -> Result<(), Error> {
    jws.push(b'.');
    encode(jws, payload);
    let signature = signer.sign(jws)?;
    jws.push(b'.');
    encode(jws, &signature);
    Ok(())
}

/// Encodes in place, since `Engine::encode_string` uses another buffer, which is slow and not wiped.
fn encode(jws: &mut Vec<u8>, bytes: &[u8]) {
    let start = jws.len();
    jws.resize(start + (bytes.len() * 4).div_ceil(3), 0);
    URL_SAFE_NO_PAD.encode_slice(bytes, &mut jws[start..]).expect("unpadded base64 has this size");
}

/// 128 random bits, for a `jti`.
///
/// # Errors
///
/// Kind `Credentials` when the system has no randomness.
#[cfg(feature = "jwt")]
pub(crate) fn random_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A new `jti` for a proof, with 128 bits.
///
/// The random bits are hashed with the time and the process id. Otherwise a forked process, or a
/// machine that is resumed twice from one snapshot, could repeat an id.
///
/// # Errors
///
/// Kind `Credentials` when the system has no randomness.
#[cfg(feature = "dpop")]
pub(crate) fn proof_id() -> Result<String, Error> {
    let mut random = [0; 16];
    fill(&mut random)?;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(proof_id_of(random, since_1970.as_nanos(), std::process::id()))
}

#[cfg(feature = "dpop")]
fn proof_id_of(random: [u8; 16], nanos: u128, process: u32) -> String {
    let mut input = [0; 36];
    input[..16].copy_from_slice(&random);
    input[16..32].copy_from_slice(&nanos.to_le_bytes());
    input[32..].copy_from_slice(&process.to_le_bytes());
    URL_SAFE_NO_PAD.encode(&digest::digest(&digest::SHA256, &input).as_ref()[..16])
}

fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| {
        Error::of(Problem::Credentials)
            .with_detail("the system has no random bytes; check its random number generator")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The claims of RFC 7515 App. A.1 to A.3, with their line breaks.
    #[cfg(feature = "jwt")]
    const JOE: &[u8] =
        b"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
    #[cfg(feature = "jwt")]
    const JOE_ENCODED: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
                               cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

    #[cfg(feature = "jwt")]
    #[test]
    fn rfc_7515_appendix_a_1_hs256() {
        let key = URL_SAFE_NO_PAD
            .decode(
                "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z\
                 9CAow",
            )
            .unwrap();
        let jws = compact(
            b"{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}",
            JOE,
            &Signer::Secret(HmacAlgorithm::Hs256, &key),
        );
        assert_eq!(
            jws.unwrap().as_str(),
            format!(
                "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE_ENCODED}.\
                 dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
            )
        );
    }

    #[cfg(feature = "jwt")]
    #[test]
    fn rfc_7515_appendix_a_2_rs256() {
        let key = SigningKey::from_jwk_as(super::super::SigningAlgorithm::Rs256, RFC_7515_A_2);
        let jws = compact(br#"{"alg":"RS256"}"#, JOE, &Signer::Key(&key.unwrap())).unwrap();
        assert_eq!(
            jws.as_str(),
            format!(
                "eyJhbGciOiJSUzI1NiJ9.{JOE_ENCODED}.\
                 cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5Y\
                 Kt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xB\
                 ArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6\
                 BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_\
                 IoypGlUPQGe77Rw"
            )
        );
    }

    #[cfg(feature = "jwt")]
    #[test]
    fn rfc_8037_appendix_a_4_eddsa() {
        let key = SigningKey::from_jwk(
            r#"{"kty":"OKP","crv":"Ed25519",
                "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
                "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        );
        let jws = compact(
            br#"{"alg":"EdDSA"}"#,
            b"Example of Ed25519 signing",
            &Signer::Key(&key.unwrap()),
        );
        assert_eq!(
            jws.unwrap().as_str(),
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
             hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
    }

    #[cfg(feature = "jwt")]
    #[test]
    fn ids_differ_and_have_128_bits() {
        let (one, other) = (random_id().unwrap(), random_id().unwrap());
        assert_ne!(one, other);
        assert_eq!(URL_SAFE_NO_PAD.decode(one).unwrap().len(), 16);
    }

    #[cfg(feature = "dpop")]
    #[test]
    fn proof_ids_differ_on_all_threads() {
        let ids = || (0..1000).map(|_| proof_id().unwrap()).collect::<Vec<_>>();
        let other = std::thread::spawn(ids);
        let mut all: std::collections::HashSet<_> = ids().into_iter().collect();
        all.extend(other.join().unwrap());
        assert_eq!(all.len(), 2000);
        assert!(all.iter().all(|id| URL_SAFE_NO_PAD.decode(id).unwrap().len() == 16));
        // No part is the same in two ids, so that ids do not reveal their thread.
        let halves: std::collections::HashSet<_> =
            all.iter().flat_map(|id| [&id[..10], &id[10..20]]).collect();
        assert_eq!(halves.len(), 4000);
    }

    /// A fork has another process id, and a resumed snapshot another time.
    #[cfg(feature = "dpop")]
    #[test]
    fn proof_ids_differ_after_a_fork_or_a_snapshot_with_the_same_random_bits() {
        let original = proof_id_of([7; 16], 1_000, 42);
        for other in [proof_id_of([7; 16], 1_000, 43), proof_id_of([7; 16], 1_001, 42)] {
            assert_ne!(other, original);
        }
    }

    #[cfg(feature = "jwt")]
    #[test]
    fn the_buffer_is_not_moved() {
        let key = SigningKey::generate(super::super::SigningAlgorithm::Es384).unwrap();
        let jws = compact(&[b'a'; 100], &[b'b'; 1001], &Signer::Key(&key)).unwrap();
        let room = (100_usize + 1001).div_ceil(3) * 4 + 8 + 1367;
        assert_eq!(jws.capacity(), room);
    }

    #[cfg(feature = "jwt")]
    const RFC_7515_A_2: &str = include_str!("../../tests/credentials/signing_keys/rfc7515_a2.json");
}
