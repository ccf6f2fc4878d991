//! A private key that signs mail by DKIM, read from PEM: RSA (RFC 6376, RFC 8301) or Ed25519 (RFC 8463). What is signed
//! is `mail::sign`'s to say.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::Digest;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

/// Verifiers need not take longer RSA keys (RFC 8301, section 3.2).
const LONGEST_RSA: usize = 4096;

#[derive(Clone)]
pub struct SigningKey(Arc<Pair>);

enum Pair {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads the first key of a PEM text: `PRIVATE KEY` (PKCS#8) or `RSA PRIVATE KEY` (PKCS#1).
    ///
    /// # Errors
    /// What is wrong with it, and what to do: it is no such key, or an RSA key shorter than 2048 bits or longer than
    /// 4096. No part of the key is in it.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        let allowed = "must be an RSA or Ed25519 private key in PEM, without a passphrase; make one with `openssl genpkey \
                       -algorithm RSA -pkeyopt rsa_keygen_bits:2048` or `openssl genpkey -algorithm ed25519`";
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| allowed.to_owned())?;
        let rsa = match &der {
            PrivateKeyDer::Pkcs8(der) => {
                if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()) {
                    return Ok(Self(Arc::new(Pair::Ed25519(pair))));
                }
                RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
            }
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(allowed.to_owned()),
        };
        let pair = rsa.map_err(|error| match error.to_string().as_str() {
            "TooSmall" => {
                "is an RSA key shorter than 2048 bits, which receivers don't trust; make a longer one with \
                           `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`"
                    .to_owned()
            }
            _ => allowed.to_owned(),
        })?;
        if pair.public_modulus_len() * 8 > LONGEST_RSA {
            return Err(format!(
                "is an RSA key longer than {LONGEST_RSA} bits, which receivers need not take (RFC 8301); 2048 are enough"
            ));
        }
        Ok(Self(Arc::new(Pair::Rsa(pair))))
    }

    /// The `a=` of a signature.
    pub fn algorithm(&self) -> &'static str {
        match &*self.0 {
            Pair::Rsa(_) => "rsa-sha256",
            Pair::Ed25519(_) => "ed25519-sha256",
        }
    }

    /// The text of the TXT record that publishes its public key (RFC 6376, section 3.6.1; RFC 8463, section 4).
    pub fn record(&self) -> String {
        let (kind, public) = match &*self.0 {
            // The SubjectPublicKeyInfo, as every verifier takes it. It was encoded when the key was read.
            Pair::Rsa(pair) => (
                "rsa",
                pair.public_key().as_der().map(|der| STANDARD.encode(der.as_ref())).unwrap_or_default(),
            ),
            Pair::Ed25519(pair) => ("ed25519", STANDARD.encode(pair.public_key())),
        };
        format!("v=DKIM1; k={kind}; p={public}")
    }

    /// The signature of a SHA-256 digest: RSASSA-PKCS1-v1_5 of it, or PureEdDSA over its 32 bytes (RFC 8463, section
    /// 3). Both give the same bytes each time. None where the library fails, for want of memory.
    pub fn sign(&self, digest: &Digest) -> Option<Vec<u8>> {
        match &*self.0 {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(&RSA_PKCS1_SHA256, digest, &mut signature).ok()?;
                Some(signature)
            }
            Pair::Ed25519(pair) => Some(pair.try_sign(digest.as_ref()).ok()?.as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(secret {} key)", self.algorithm())
    }
}
