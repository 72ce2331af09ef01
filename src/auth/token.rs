//! Secrets that the store knows: of a login (its cookie, which is also its refresh token), and
//! tickets. Each has 256 random bits. The store keeps only the SHA-256, so that a copy of the
//! database grants no access.

use crate::clock::random_bytes;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

pub const TOKEN_HASH_BYTES: usize = 32;

/// A fresh token. The hub sends its text only to the client that it is for.
pub struct SecretToken {
    text: String,
}

impl SecretToken {
    pub fn random() -> Self {
        Self { text: URL_SAFE_NO_PAD.encode(random_bytes::<32>()) }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn hash(&self) -> [u8; TOKEN_HASH_BYTES] {
        hash_token(&self.text)
    }
}

/// Returns the hash that the store keeps of a token.
pub fn hash_token(text: &str) -> [u8; TOKEN_HASH_BYTES] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_256_random_bits_and_are_found_by_hash() {
        let (one, other) = (SecretToken::random(), SecretToken::random());
        assert_eq!(URL_SAFE_NO_PAD.decode(one.as_str()).unwrap().len(), 32);
        assert_ne!(one.as_str(), other.as_str());
        assert_eq!(one.hash(), hash_token(one.as_str()));
        assert_ne!(one.hash(), other.hash());
    }
}
