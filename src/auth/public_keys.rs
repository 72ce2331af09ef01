//! The public keys of another system: one or several `PUBLIC KEY` blocks in PEM (RFC 7468), for
//! RS256, ES256 and EdDSA. The key decides the algorithm, so that no token can choose one (RFC
//! 8725, 3.1).
//!
//! A line `kid: NAME` above a block names its key. Other text outside blocks is ignored, as RFC
//! 7468 says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jsonwebtoken::{Algorithm, DecodingKey};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END PUBLIC KEY-----";
const MIN_RSA_BITS: usize = 2048;
const MAX_RSA_BITS: usize = 8192;

/// The bytes before the key in a SubjectPublicKeyInfo (RFC 8410; RFC 5480 with the curve P-256 and
/// an uncompressed point).
const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The algorithm of an RSA key, with its empty parameters (RFC 3279).
const RSA: &[u8] = &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

pub struct PublicKey {
    pub algorithm: Algorithm,
    pub kid: Option<String>,
    pub key: DecodingKey,
}

/// Parses all keys of a file.
///
/// # Errors
/// Names the block that is wrong, and says why.
pub fn parse(pem: &str) -> Result<Vec<PublicKey>, String> {
    let mut keys: Vec<PublicKey> = Vec::new();
    let mut kid = None;
    let mut lines = pem.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("kid:") {
            kid = Some(name.trim().to_owned());
        } else if let Some(label) = line.strip_prefix(BEGIN) {
            let number = keys.len() + 1;
            let body: Option<String> =
                label.eq("PUBLIC KEY-----").then(|| lines.by_ref().take_while(|line| *line != END).collect());
            let body = body.ok_or_else(|| format!("block {number} is not a PUBLIC KEY"))?;
            let der = BASE64.decode(body).map_err(|_| format!("block {number} is not base64"))?;
            let (algorithm, key) = read(&der).map_err(|why| format!("the key in block {number} {why}"))?;
            if kid.is_some() && keys.iter().any(|key| key.kid == kid) {
                return Err(format!("block {number} repeats the kid of an earlier block"));
            }
            keys.push(PublicKey { algorithm, kid: kid.take(), key });
        }
    }
    if keys.is_empty() { Err("it has no PUBLIC KEY block".to_owned()) } else { Ok(keys) }
}

fn read(der: &[u8]) -> Result<(Algorithm, DecodingKey), String> {
    if let Some(key) = der.strip_prefix(ED25519).filter(|key| key.len() == 32) {
        return Ok((Algorithm::EdDSA, DecodingKey::from_ed_der(key)));
    }
    if let Some(point) = der.strip_prefix(P256).filter(|point| point.len() == 65 && point[0] == 4) {
        return Ok((Algorithm::ES256, DecodingKey::from_ec_der(point)));
    }
    let key = rsa_public_key(der).ok_or("is not RSA, P-256 or Ed25519")?;
    let modulus = modulus(key).ok_or("is not a readable RSA key")?;
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    match (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        true => Ok((Algorithm::RS256, DecodingKey::from_rsa_der(key))),
        false => Err(format!("has {bits} bits; RSA needs {MIN_RSA_BITS} to {MAX_RSA_BITS}")),
    }
}

/// Returns the RSAPublicKey inside a SubjectPublicKeyInfo.
fn rsa_public_key(der: &[u8]) -> Option<&[u8]> {
    let (info, after) = element(der, 0x30)?;
    let (bits, rest) = element(info.strip_prefix(RSA)?, 0x03)?;
    // There are no unused bits, and no other bytes anywhere.
    bits.strip_prefix(&[0]).filter(|_| after.is_empty() && rest.is_empty())
}

/// Returns the modulus without the leading zero that keeps it positive.
fn modulus(key: &[u8]) -> Option<&[u8]> {
    let (numbers, after) = element(key, 0x30)?;
    let (modulus, rest) = element(numbers, 0x02)?;
    let (_, rest) = element(rest, 0x02)?;
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    Some(modulus).filter(|_| after.is_empty() && rest.is_empty())
}

/// Returns the content of the DER element with this tag, and the bytes after it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), &rest[2..]),
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED: &str = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";

    fn block(base64: &str) -> String {
        format!("-----BEGIN PUBLIC KEY-----\n{base64}\n{END}\n")
    }

    #[test]
    fn a_key_file_may_hold_several_keys_with_or_without_ids() {
        let pem = format!("the old one\nkid: a\n{}\nkid: b\r\n{}{}", block(ED), block(ED), block(ED));
        let keys = parse(&pem).map_err(|why| panic!("{why}")).unwrap();
        let kids: Vec<_> = keys.iter().map(|key| key.kid.as_deref()).collect();
        assert_eq!(kids, [Some("a"), Some("b"), None]);
        assert!(keys.iter().all(|key| key.algorithm == Algorithm::EdDSA));
    }

    #[test]
    fn an_invalid_key_file_is_refused_with_the_reason() {
        let twice = format!("kid: a\n{}kid: a\n{}", block(ED), block(ED));
        let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
        let long = block(&format!("{}AAAAA", ED.trim_end_matches('=')));
        for (pem, why) in [
            ("", "no PUBLIC KEY block"),
            (private, "block 1 is not a PUBLIC KEY"),
            (&*format!("{}{private}", block(ED)), "block 2 is not a PUBLIC KEY"),
            (&*block("not base64!"), "not base64"),
            (&*block("AAAA"), "is not RSA"),
            (&*block(""), "is not RSA"),
            (&*long, "is not RSA"),
            (&*twice, "block 2 repeats the kid of an earlier block"),
        ] {
            let refusal = parse(pem).map(drop).unwrap_err();
            assert!(refusal.contains(why), "{pem:?}: {refusal}");
        }
    }
}
