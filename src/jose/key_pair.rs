//! Key pairs of AWS-LC, which wipes the memory that it frees.

use aws_lc_rs::{
    error::KeyRejected,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};

use super::{
    algorithm::{KeyKind, SigningAlgorithm as Algorithm},
    error::config_error,
    pem,
};
use crate::error::{Error, sanitise};

pub(super) enum KeyPair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// The key is refused.
#[derive(Debug)]
pub(super) enum Rejected {
    /// RSA below 2048 bits (RFC 7518 §3.3).
    TooSmall,
    /// RSA above 8192 bits.
    TooLarge,
    /// Its parts do not belong together, or its kind is not known.
    Unusable,
}

impl Rejected {
    pub(super) fn into_error(self) -> Error {
        config_error(match self {
            Self::TooSmall => {
                "signing key: RSA keys below 2048 bits are refused (RFC 7518 §3.3); make one of \
                 2048 bits or more, and register it"
            }
            Self::TooLarge => "signing key: RSA keys above 8192 bits are not supported",
            Self::Unusable => {
                "signing key: it is damaged, or not RSA, P-256, P-384 or Ed25519; pass the \
                 private key as PKCS#8, PKCS#1, SEC 1 or JWK"
            }
        })
    }
}

impl From<KeyRejected> for Rejected {
    fn from(rejected: KeyRejected) -> Self {
        match rejected.description_() {
            "TooSmall" => Self::TooSmall,
            "TooLarge" => Self::TooLarge,
            _ => Self::Unusable,
        }
    }
}

impl KeyPair {
    /// The one private key in a PEM text; certificates and parameters are skipped.
    pub(super) fn from_pem(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| Err(config_error(format!("signing key PEM: {why}")));
        let sections = match pem::sections(text) {
            Ok(sections) => sections,
            Err(why) => return refuse(why),
        };
        let (mut found, mut public) = (None, None);
        for section in sections {
            let pair = match section.label {
                "PRIVATE KEY" => Self::from_pkcs8(&section.der),
                "RSA PRIVATE KEY" => {
                    RsaKeyPair::from_der(&section.der).map(Self::Rsa).map_err(Rejected::from)
                }
                "EC PRIVATE KEY" => Self::from_sec1(&section.der),
                "ENCRYPTED PRIVATE KEY" => return refuse(pem::ENCRYPTED),
                "OPENSSH PRIVATE KEY" => {
                    return refuse(
                        "it is in OpenSSH's format; convert it, as with ssh-keygen -p -m pkcs8",
                    );
                }
                label => {
                    public = Some(sanitise(label)).filter(|label| label != "EC PARAMETERS");
                    continue;
                }
            };
            if found.is_some() {
                return refuse("it has more than one private key; pass one");
            }
            found = Some(pair);
        }
        match (found, public) {
            (Some(pair), _) => pair.map_err(Rejected::into_error),
            (None, Some(label)) => {
                refuse(&format!("it has a {label} and no private key; pass the private key"))
            }
            (None, None) => refuse("it has no section; it must begin with -----BEGIN"),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, Rejected> {
        let rsa = match RsaKeyPair::from_pkcs8(der).map_err(Rejected::from) {
            Err(Rejected::Unusable) => None,
            rsa => Some(rsa.map(Self::Rsa)),
        };
        rsa.or_else(|| Self::from_sec1(der).ok().map(Ok))
            .or_else(|| Ed25519KeyPair::from_pkcs8(der).ok().map(|pair| Ok(Self::Ed25519(pair))))
            .unwrap_or(Err(Rejected::Unusable))
    }

    /// SEC 1 or PKCS#8.
    fn from_sec1(der: &[u8]) -> Result<Self, Rejected> {
        EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map(Self::P256)
            .or_else(|_| {
                EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_FIXED_SIGNING, der)
                    .map(Self::P384)
            })
            .map_err(Rejected::from)
    }

    pub(super) fn generate(kind: KeyKind) -> Result<Self, aws_lc_rs::error::Unspecified> {
        Ok(match kind {
            KeyKind::Rsa => Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048)?),
            KeyKind::P256 => Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?),
            KeyKind::P384 => Self::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING)?),
            KeyKind::Ed25519 => Self::Ed25519(Ed25519KeyPair::generate()?),
        })
    }

    pub(super) fn kind(&self) -> KeyKind {
        match self {
            Self::Rsa(_) => KeyKind::Rsa,
            Self::P256(_) => KeyKind::P256,
            Self::P384(_) => KeyKind::P384,
            Self::Ed25519(_) => KeyKind::Ed25519,
        }
    }

    /// An `RSAPublicKey` (RFC 8017 App. A.1.1), an uncompressed point, or an Ed25519 key.
    pub(super) fn public(&self) -> &[u8] {
        match self {
            Self::Rsa(pair) => pair.public_key().as_ref(),
            Self::P256(pair) | Self::P384(pair) => pair.public_key().as_ref(),
            Self::Ed25519(pair) => pair.public_key().as_ref(),
        }
    }

    /// The signature in the form of JWS: for ECDSA `r` followed by `s`.
    pub(super) fn sign(
        &self,
        algorithm: Algorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match algorithm {
                    Algorithm::Rs256 => &RSA_PKCS1_SHA256,
                    Algorithm::Rs384 => &RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &RSA_PKCS1_SHA512,
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    Algorithm::Ps384 => &RSA_PSS_SHA384,
                    Algorithm::Ps512 => &RSA_PSS_SHA512,
                    Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => {
                        return Err(aws_lc_rs::error::Unspecified);
                    }
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature)?;
                Ok(signature)
            }
            Self::P256(pair) | Self::P384(pair) => {
                Ok(pair.sign(&random, message)?.as_ref().to_vec())
            }
            Self::Ed25519(pair) => Ok(pair.try_sign(message)?.as_ref().to_vec()),
        }
    }
}
