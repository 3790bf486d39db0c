use std::{collections::HashSet, env, fs, process};

use super::{envelope::MAX_CONTENT_BYTES, *};
use crate::{
    error::{Error, ErrorKind},
    store::traits::EntryId,
};

const ID: fn(u8) -> EntryId = |byte| EntryId::new([byte; 32]);
const CONTENT: &[u8] = b"{\"access_token\":\"s3cret\"}";

fn key(seed: u8) -> SealingKey {
    let mut bytes = [seed; 32];
    bytes[0] = !seed;
    SealingKey::from_bytes(bytes).unwrap()
}

fn sealing<const N: usize>(keys: [&SealingKey; N]) -> Sealing {
    Sealing::new(keys.into_iter().cloned()).unwrap()
}

fn open(sealing: &Sealing, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    sealing.open(ID(1), 7, sealed).map(|content| content.to_vec())
}

#[test]
fn an_entry_opens_with_its_key_under_its_id() {
    let sealing = sealing([&key(1)]);
    for content in [CONTENT, b"", &vec![7; MAX_CONTENT_BYTES]] {
        let sealed = sealing.seal(ID(1), 7, content).unwrap();
        assert_eq!(sealed.len(), content.len() + 1 + 8 + 12 + 16);
        assert_eq!(open(&sealing, &sealed).unwrap(), content);
    }
    let sealed = sealing.seal(ID(1), 7, CONTENT).unwrap();
    assert!(!sealed.windows(6).any(|part| part == b"s3cret"));
}

#[test]
fn no_two_envelopes_are_equal() {
    let sealing = sealing([&key(1)]);
    let envelopes: HashSet<_> =
        (0..100).map(|_| sealing.seal(ID(1), 7, CONTENT).unwrap()).collect();
    assert_eq!(envelopes.len(), 100);
}

#[test]
fn a_change_of_any_bit_is_refused() {
    let sealing = sealing([&key(1)]);
    let sealed = sealing.seal(ID(1), 7, CONTENT).unwrap().to_vec();
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut changed = sealed.clone();
            changed[at] ^= 1 << bit;
            let expected = match at {
                0 if changed[0] == 0 => OpenError::Damaged,
                0 => OpenError::Version(changed[0]),
                1..=8 => OpenError::UnknownKey,
                _ => OpenError::Damaged,
            };
            assert_eq!(open(&sealing, &changed), Err(expected), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn an_envelope_that_is_cut_off_or_extended_is_refused() {
    for sealing in [sealing([&key(1)]), Sealing::PlainText] {
        let sealed = sealing.seal(ID(1), 7, b"").unwrap();
        for length in 0..sealed.len() {
            assert_eq!(open(&sealing, &sealed[..length]), Err(OpenError::Damaged), "{length}");
        }
    }
    let sealing = sealing([&key(1)]);
    let sealed = sealing.seal(ID(1), 7, CONTENT).unwrap();
    assert_eq!(open(&sealing, &[&sealed[..], b"\0"].concat()), Err(OpenError::Damaged));
}

#[test]
fn an_entry_that_is_copied_to_another_id_is_refused() {
    for sealing in [sealing([&key(1)]), Sealing::PlainText] {
        let sealed = sealing.seal(ID(1), 7, CONTENT).unwrap();
        assert_eq!(sealing.open(ID(2), 7, &sealed).unwrap_err(), OpenError::Damaged);
        assert_eq!(open(&sealing, &sealed).unwrap(), CONTENT);
    }
}

#[test]
fn an_old_entry_is_not_a_new_one() {
    let sealing = sealing([&key(1)]);
    let sealed = sealing.seal(ID(1), 7, CONTENT).unwrap();
    for generation in [0, 6, 8, u64::MAX] {
        assert_eq!(sealing.open(ID(1), generation, &sealed).unwrap_err(), OpenError::Damaged);
    }
}

#[test]
fn an_entry_of_another_key_is_refused_even_if_it_names_this_one() {
    let (ours, other) = (sealing([&key(1)]), sealing([&key(2)]));
    let sealed = other.seal(ID(1), 7, CONTENT).unwrap();
    assert_eq!(open(&ours, &sealed), Err(OpenError::UnknownKey));
    let mut renamed = sealed.to_vec();
    renamed[1..9].copy_from_slice(key(1).id());
    assert_eq!(open(&ours, &renamed), Err(OpenError::Damaged));
}

#[test]
fn a_key_rotates_in_three_steps() {
    let (old, new) = (key(1), key(2));
    // At each step, processes that took it and processes that did not run together.
    let steps = [sealing([&old]), sealing([&old, &new]), sealing([&new, &old]), sealing([&new])];
    for pair in steps.windows(2) {
        for (writer, reader) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
            let sealed = writer.seal(ID(1), 7, CONTENT).unwrap();
            assert_eq!(open(reader, &sealed).unwrap(), CONTENT);
        }
    }
    // Two steps at once are one too many.
    let sealed = steps[2].seal(ID(1), 7, CONTENT).unwrap();
    assert_eq!(open(&steps[0], &sealed), Err(OpenError::UnknownKey));
}

#[test]
fn sealed_and_plain_text_do_not_mix() {
    let (sealed, plain) = (sealing([&key(1)]), Sealing::PlainText);
    let entry = plain.seal(ID(1), 7, CONTENT).unwrap();
    assert_eq!(open(&sealed, &entry), Err(OpenError::PlainText));
    assert_eq!(open(&plain, &entry).unwrap(), CONTENT);
    let entry = sealed.seal(ID(1), 7, CONTENT).unwrap();
    assert_eq!(open(&plain, &entry), Err(OpenError::Sealed));
}

#[test]
fn a_content_and_an_envelope_have_a_maximum_size() {
    for sealing in [sealing([&key(1)]), Sealing::PlainText] {
        let error = sealing.seal(ID(1), 7, &vec![0; MAX_CONTENT_BYTES + 1]).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("longer than 256 KiB"), "{cause}");
        let long = vec![1; 2 * MAX_CONTENT_BYTES];
        assert_eq!(open(&sealing, &long), Err(OpenError::TooLong));
    }
}

#[test]
fn sealing_without_a_key_is_a_mistake() {
    let error = Sealing::new([]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("pass a key, or call plain_text"), "{error}");
}

/// Base64 with both characters in which the alphabets differ.
const TEXT: &str = "+/79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";

#[test]
fn a_key_is_read_from_base64_of_both_alphabets() {
    let id = *SealingKey::from_base64(TEXT).unwrap().id();
    let url_safe = TEXT.replace('+', "-").replace('/', "_");
    for text in [&format!(" {TEXT}\r\n"), TEXT.trim_end_matches('='), &url_safe] {
        assert_eq!(*SealingKey::from_base64(text).unwrap().id(), id, "{text}");
    }
    let bytes: Vec<u8> = [0xfb].into_iter().chain((0xe0..=0xfe).rev()).collect();
    assert_eq!(*SealingKey::from_bytes(bytes).unwrap().id(), id);
}

#[test]
fn a_value_that_is_not_a_key_is_refused_and_not_shown() {
    for (text, why) in [
        ("", "it has 0 bytes"),
        ("c2hvcnQ=", "it has 5 bytes"),
        (&"ab".repeat(32), "it has 48 bytes"),
        ("p4ssw0rd, plain", "it is not base64"),
        (&format!("{TEXT}{TEXT}"), "it is not base64"),
        (&"A".repeat(43), "all its bytes are equal"),
    ] {
        let error = SealingKey::from_base64(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let shown = format!("{error:#?}");
        assert!(shown.contains(why) && shown.contains("openssl rand -base64 32"), "{shown}");
        assert!(text.len() < 9 || !shown.contains(&text[..9]), "{shown}");
    }
}

#[test]
fn a_key_is_read_from_a_file() {
    let path = env::temp_dir().join(format!("toacc-{}-sealing-key", process::id()));
    fs::write(&path, format!("\u{feff}{TEXT}\n")).unwrap();
    let key = SealingKey::from_file(&path).unwrap();
    assert_eq!(key.id(), SealingKey::from_base64(TEXT).unwrap().id());
    let refused = |why: &str| {
        let error: Error = SealingKey::from_file(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        let expected = format!("sealing key file {}: {why}", path.display());
        assert!(error.to_string().contains(&expected), "{error}");
    };
    fs::write(&path, "").unwrap();
    refused("it is empty");
    fs::write(&path, "s3cret").unwrap();
    refused("it is not base64");
    fs::remove_file(&path).unwrap();
    refused("");
}

#[test]
fn debug_shows_the_id_of_a_key_only() {
    let key = SealingKey::from_base64(TEXT).unwrap();
    let shown = format!("{key:?} {:?}", sealing([&key]));
    assert_eq!(format!("{key:?}").len(), "SealingKey()".len() + 16);
    for secret in [&TEXT[..8], "fffefdfc", "fbfefdfc", "251, 254, 253"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// Other versions and languages read it.
#[test]
fn an_envelope_has_the_documented_layout_and_associated_data() {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let sealed = sealing([&key(1)]).seal(ID(1), 7, CONTENT).unwrap();
    let (version, rest) = sealed.split_at(1);
    let (key_id, rest) = rest.split_at(8);
    let (nonce, content_and_tag) = rest.split_at(12);
    let associated = [version, key_id, &[1; 32], &7_u64.to_be_bytes()].concat();
    let mut bytes = [1; 32];
    bytes[0] = !1;
    let raw = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).unwrap());
    let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
    let mut opened = content_and_tag.to_vec();
    assert_eq!(raw.open_in_place(nonce, Aad::from(associated), &mut opened).unwrap(), CONTENT);
}
